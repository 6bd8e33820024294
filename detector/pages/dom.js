"use strict";
// Elements and words. Everything shown goes through here: text becomes text nodes, never markup.
const curfewd = {};
{
  const SVG = "http://www.w3.org/2000/svg";
  const SEVERITIES = ["critical", "high", "medium", "low"];
  const UNITS = [[86400000, "d"], [3600000, "h"], [60000, "min"], [1000, "s"], [1, "ms"]];

  function build(node, properties, children) {
    for (const [name, value] of Object.entries(properties ?? {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }

  // An element with attributes, listeners (`onclick: f`) and children: nodes, texts, lists of them; null is left out.
  function el(tag, properties, ...children) {
    return build(document.createElement(tag), properties, children);
  }

  function svg(tag, properties, ...children) {
    return build(document.createElementNS(SVG, tag), properties, children);
  }

  // Epoch milliseconds as a person reads them, in UTC: `2026-03-14 09:26:53Z`.
  function time(ms) {
    const date = new Date(ms);
    if (Number.isNaN(date.valueOf())) return "at an unknown time";
    return date.toISOString().replace(/\.\d+Z$/, "Z").replace("T", " ");
  }

  // A period: two times, the second as short as possible.
  function period(first, last) {
    const [start, end] = [time(first), time(last)];
    if (start === end) return start;
    return start.slice(0, 10) === end.slice(0, 10) ? `${start.slice(0, -1)}–${end.slice(11)}` : `${start} – ${end}`;
  }

  // A duration in milliseconds in its two largest units: `2 h 3 min`.
  function span(ms) {
    let rest = Math.abs(Math.round(ms));
    for (const [index, [unit, name]] of UNITS.entries()) {
      const whole = Math.floor(rest / unit);
      if (whole === 0) continue;
      rest -= whole * unit;
      const lower = UNITS[index + 1];
      const more = lower && unit > 1000 ? Math.floor(rest / lower[0]) : 0;
      return more ? `${number(whole)} ${name} ${more} ${lower[1]}` : `${number(whole)} ${name}`;
    }
    return "0 ms";
  }

  function number(value) {
    return value.toLocaleString("en-US");
  }

  function counted(value, noun, plural) {
    return `${number(value)} ${value === 1 ? noun : plural ?? `${noun}s`}`;
  }

  function bytes(value) {
    const names = ["B", "KB", "MB", "GB", "TB"];
    let index = 0;
    for (; value >= 1000 && index < names.length - 1; index += 1) value /= 1000;
    return index ? `${value.toFixed(1)} ${names[index]}` : `${value} B`;
  }

  function capital(text) {
    return text.charAt(0).toUpperCase() + text.slice(1);
  }

  function badge(severity) {
    return el("span", { class: `badge ${severity}` }, capital(severity));
  }

  // Pairs as a list of facts; pairs without a value are left out.
  function facts(pairs) {
    const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
    return el("dl", { class: "facts" }, known.map(([name, value]) => el("div", null, el("dt", null, name), el("dd", null, value))));
  }

  Object.assign(curfewd, { SEVERITIES, el, svg, time, period, span, number, counted, bytes, capital, badge, facts });
}
