// What of d3 the pages use; esbuild leaves the rest out.
export { axisTop } from "d3-axis";
export { scaleUtc } from "d3-scale";
export { select } from "d3-selection";
export { utcFormat } from "d3-time-format";
export { zoom, zoomIdentity } from "d3-zoom";
