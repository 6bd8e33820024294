"use strict";
// Tasks as bars, the lifetimes of their credentials under them, and marks for what happened; zoom, pages, and a table.
{
  const { SEVERITIES, el, svg, time, number, counted, rank } = curfewd;
  const PAGE = 15; // tasks drawn at once
  const MARK = 14; // pixels that one mark is wide
  const [TOP, OVERVIEW, AXIS] = [4, 34, 24];
  const NARROW = 640;
  const STEP = 1.7; // factor of one zoom by button or key
  const FORMATS = [["%H:%M:%S.%L", 1000], ["%H:%M:%S", 60000], ["%H:%M", 86400000]].map(([format, unit]) => [d3.utcFormat(format), unit]);
  const [DAY, MONTH] = ["%b %-d", "%b %Y"].map(d3.utcFormat);
  let charts = 0;

  function tick(date) {
    for (const [format, unit] of FORMATS) if (date % unit !== 0) return format(date);
    return date.getUTCDate() === 1 ? MONTH(date) : DAY(date);
  }

  // Clicks call `onMark(mark)` and `onTask(id)`. `show(rows, {from, to})` draws rows of `rowsOf`.
  function timeline({ label, onMark, onTask } = {}) {
    charts += 1;
    const [help, clip] = [`timeline-help-${charts}`, `timeline-clip-${charts}`];
    const state = { rows: [], page: 0, full: [0, 1], seen: [0, 1], width: 0, table: false };
    const tip = el("div", { class: "tip", hidden: true, role: "presentation" });
    const chart = svg("svg", { "aria-hidden": "true" });
    const status = el("p", { class: "readout", role: "status" });
    const box = el("div", { class: "chart", tabindex: "0", role: "group", "aria-label": label, "aria-describedby": help }, chart, tip);
    const table = el("div", { class: "scroll", hidden: true, tabindex: "0", role: "group", "aria-label": `${label}, as a table` });
    const asTable = button("Table", "Show the timeline as a table", () => toggleTable());
    asTable.setAttribute("aria-pressed", "false");
    const pager = el("p", { class: "pager" });
    const node = el("figure", { class: "timeline" },
      el("div", { class: "controls" },
        button("+", "Zoom in", () => scale(STEP)), button("−", "Zoom out", () => scale(1 / STEP)),
        button("All", "Show the whole time", () => reset()),
        button("Fit", "Zoom to the tasks shown", () => zoomTo(...pad(...extent(shown())))), asTable, status, legend()),
      box, table,
      el("p", { class: "hint", id: help },
        "Drag to move, turn the wheel with Ctrl to zoom. Keys: +, −, arrows, 0 for all. A number is several marks: click it to zoom."),
      pager);

    const zoomer = d3.zoom()
      .filter((event) => (event.type === "wheel" ? event.ctrlKey || event.metaKey
        : event.type.startsWith("touch") ? event.touches.length > 1 : !event.button))
      .on("zoom", (event) => { state.seen = seenBy(event.transform); draw(); });
    d3.select(chart).call(zoomer);
    box.addEventListener("keydown", onKey);
    new ResizeObserver(() => requestAnimationFrame(() => { if (box.clientWidth !== state.width) layout(); })).observe(box);

    function button(text, title, onclick) {
      return el("button", { type: "button", title, "aria-label": title, onclick }, text);
    }

    const gutter = () => (state.width < NARROW ? 0 : 208);
    const base = () => d3.scaleUtc().domain(state.full).range([gutter(), state.width - 10]);
    const scaled = () => base().domain(state.seen);
    const seenBy = (transform) => transform.rescaleX(base()).domain().map(Number);

    function show(rows, { from, to } = {}) {
      state.rows = rows;
      state.page = 0;
      const [first, last] = extent(rows);
      state.full = pad(from ?? first, to ?? last);
      state.seen = state.full;
      layout();
    }

    // The width is known or has changed: show the same stretch of time on it.
    function layout() {
      state.width = box.clientWidth;
      if (state.width === 0) return;
      const [left, right] = [gutter(), state.width - 10];
      const most = Math.max(1, (state.full[1] - state.full[0]) / 200);
      zoomer.extent([[left, 0], [right, 100]]).translateExtent([[left, -1e9], [right, 1e9]]).scaleExtent([1, most]);
      zoomTo(...state.seen);
      drawPager();
    }

    function zoomTo(from, to) {
      const x = base();
      const [left, right] = x.range();
      const k = (right - left) / Math.max(x(to) - x(from), 1e-6);
      d3.select(chart).call(zoomer.transform, d3.zoomIdentity.translate(left - k * x(from), 0).scale(k));
    }

    function scale(factor) { d3.select(chart).call(zoomer.scaleBy, factor); }

    function move(share) {
      const width = (state.seen[1] - state.seen[0]) * share;
      const [low, high] = state.full;
      const by = Math.max(low - state.seen[0], Math.min(high - state.seen[1], width));
      zoomTo(state.seen[0] + by, state.seen[1] + by);
    }

    function reset() { zoomTo(...state.full); }

    function onKey(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const todo = {
        "+": () => scale(STEP), "=": () => scale(STEP), "-": () => scale(1 / STEP), "−": () => scale(1 / STEP),
        ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), 0: reset, Home: reset,
      }[event.key];
      if (!todo) return;
      event.preventDefault();
      todo();
    }

    const shown = () => state.rows.slice(state.page * PAGE, (state.page + 1) * PAGE);

    function draw() {
      tip.hidden = true;
      const x = scaled();
      const [left, right] = x.range();
      const lanes = lanesOf(shown(), state.width < NARROW);
      const head = TOP + OVERVIEW + AXIS;
      const height = head + lanes.reduce((sum, lane) => sum + lane.height, 0) + 8;
      chart.setAttribute("viewBox", `0 0 ${state.width} ${height}`);
      const axis = svg("g", { class: "axis", transform: `translate(0 ${head - 2})` });
      d3.select(axis).call(d3.axisTop(x).ticks(Math.max(2, (right - left) / 90)).tickFormat(tick).tickSizeOuter(0));
      const grid = svg("g", { class: "grid" }, x.ticks(Math.max(2, (right - left) / 90)).map((at) =>
        svg("line", { x1: x(at), x2: x(at), y1: head, y2: height - 8 })));
      const labels = svg("g", { class: "labels" });
      const body = svg("g", { "clip-path": `url(#${clip})` });
      let y = head;
      for (const lane of lanes) {
        labels.append(labelOf(lane, y, gutter()));
        body.append(...(lane.row ? taskBar(lane, y, x) : lifetime(lane, y, x)), ...marksOf(lane, y, x));
        y += lane.height;
      }
      chart.replaceChildren(
        svg("clipPath", { id: clip }, svg("rect", { x: left - 8, y: 0, width: right - left + 18, height })),
        overview(left, right), grid, axis, body, labels);
      for (const label of labels.children) cut(label, (gutter() || state.width) - 8 - Number(label.getAttribute("x")));
      let free = 0; // a label of the axis is drawn where it has room
      d3.select(axis).selectAll("text").each(function (at) {
        const half = this.getComputedTextLength() / 2;
        if (x(at) - half < free || x(at) + half > state.width) this.remove();
        else free = x(at) + half + 4;
      });
      say();
      if (state.table) fillTable();
    }

    let timer = 0;
    function say() {
      clearTimeout(timer);
      timer = setTimeout(() => { status.textContent = state.rows.length ? `${time(state.seen[0])} – ${time(state.seen[1])}` : ""; }, 150);
    }

    // An overview of all tasks over the whole time. It marks the visible part, and a click moves it.
    function overview(left, right) {
      const x = base();
      const size = Math.max(1, Math.floor((right - left) / 6));
      const counts = Array.from({ length: size }, () => [0, 0, 0, 0]);
      for (const row of state.rows) {
        for (const mark of [row, ...row.credentials].flatMap((lane) => lane.marks)) {
          const at = Math.min(size - 1, Math.floor(((x(mark.time) - left) / (right - left)) * size));
          if (at >= 0 && mark.severity) counts[at][rank(mark.severity)] += 1;
        }
      }
      const most = Math.max(1, ...counts.map((one) => one.reduce((sum, count) => sum + count, 0)));
      const bars = counts.flatMap((one, index) => {
        let y = TOP + OVERVIEW - 8;
        return one.map((count, severity) => {
          const height = count ? Math.max(2, (count / most) * (OVERVIEW - 10)) : 0;
          y -= height;
          return height ? svg("rect", { class: SEVERITIES[severity], x: left + (index * (right - left)) / size, y, width: 5, height }) : null;
        });
      });
      const [from, to] = state.seen.map((at) => Math.max(left, Math.min(right, x(at))));
      const strip = svg("g", { class: "overview" },
        svg("rect", { class: "ground", x: left, y: TOP, width: right - left, height: OVERVIEW - 8 }), bars,
        svg("rect", { class: "window", x: from, y: TOP, width: Math.max(2, to - from), height: OVERVIEW - 8 }));
      strip.addEventListener("mousedown", (event) => event.stopPropagation());
      strip.addEventListener("click", (event) => {
        const at = Number(x.invert((event.clientX - chart.getBoundingClientRect().left) * (state.width / chart.clientWidth)));
        move((at - (state.seen[0] + state.seen[1]) / 2) / (state.seen[1] - state.seen[0]));
      });
      return strip;
    }

    function labelOf(lane, y, width) {
      const at = { x: lane.row ? 2 : 14, y: y + (width ? lane.middle + 4 : 13), class: lane.row ? "task" : "credential" };
      const node = svg("text", at, lane.name);
      tipped(node, lane.about);
      if (lane.row && onTask && lane.row.task.id) {
        node.classList.add("active");
        node.addEventListener("click", () => onTask(lane.row.task.id));
      }
      return node;
    }

    // Shortens a text until it is at most so many pixels wide.
    function cut(node, room) {
      let shown = node.textContent;
      for (let wide; shown.length > 1 && (wide = node.getComputedTextLength()) > room;) {
        shown = shown.slice(0, Math.max(1, Math.floor((shown.length * room) / wide) - 1));
        node.textContent = `${shown}…`;
      }
    }

    function taskBar(lane, y, x) {
      const { task } = lane.row;
      const made = [];
      if (task.started !== undefined || task.ended !== undefined) {
        const [from, to] = [task.started ?? state.full[0], task.ended ?? state.full[1]].map((at) => clamp(x(at)));
        const kind = task.ended === undefined ? "bar open" : "bar";
        const bar = svg("rect", { class: kind, x: from, y: y + lane.middle - 6, width: Math.max(3, to - from), height: 12, rx: 3 });
        made.push(tipped(bar, lane.about));
      }
      if (task.deadline !== undefined && x(task.deadline) < state.width + 50) {
        const at = clamp(x(task.deadline));
        made.push(tipped(svg("path", { class: "deadline", d: `M${at} ${y + lane.middle - 9}v18` }), [`Deadline ${time(task.deadline)}`]));
      }
      return made;
    }

    function lifetime(lane, y, x) {
      const { credential, task } = lane;
      if (credential.issued === undefined) return [];
      const middle = y + lane.middle;
      const over = Math.min(credential.dead ?? Infinity, credential.revoked ?? Infinity, credential.expires ?? Infinity);
      const until = Math.min(over, state.full[1]);
      const line = (from, to, kind) => {
        const [start, end] = [clamp(x(from)), clamp(x(to))];
        return tipped(svg("rect", { class: kind, x: start, y: middle - 2, width: Math.max(2, end - start), height: 4, rx: 2 }), lane.about);
      };
      const made = [line(Math.min(credential.issued, until), until, "life")];
      if (task.ended !== undefined && until > task.ended) made.push(line(Math.max(task.ended, credential.issued), until, "overstay"));
      if (over > state.full[1]) {
        const at = clamp(x(state.full[1]));
        made.push(svg("path", { class: task.ended === undefined ? "on" : "on late", d: `M${at - 1} ${middle - 5}l6 5l-6 5` }));
      } else if (credential.expires !== undefined && credential.expires === over) {
        made.push(svg("path", { class: "expiry", d: `M${clamp(x(over))} ${middle - 6}v12` }));
      }
      return made;
    }

    // The marks; those that would overlap are one mark with their number. The end of a credential stays a mark of its own, to the
    // right of what would hide it: a revocation is often proved in the second of the leak.
    function marksOf(lane, y, x) {
      const placed = [];
      const covers = (one, other) => Math.abs(one.at - other.at) < (widthOf(one.marks) + widthOf(other.marks)) / 2;
      const shown = ({ at }) => at > x.range()[0] - 50 && at < state.width + 50;
      const near = lane.marks.map((mark) => ({ marks: [mark], at: x(mark.time) })).filter(shown);
      const isEnd = ({ marks: [{ kind }] }) => kind === "revoked" || kind === "dead";
      for (let one of near.filter((each) => !isEnd(each))) {
        while (placed.length && covers(placed.at(-1), one)) {
          const marks = [...placed.pop().marks, ...one.marks];
          one = { marks, at: (x(marks[0].time) + x(marks.at(-1).time)) / 2 };
        }
        placed.push(one);
      }
      for (const end of near.filter(isEnd)) {
        for (const one of placed) if (covers(one, end)) end.at = one.at + (widthOf(one.marks) + widthOf(end.marks)) / 2;
        placed.push(end);
        placed.sort((one, other) => one.at - other.at);
      }
      return placed.map((cluster) => drawn(cluster, y + lane.middle));
    }

    function drawn({ marks, at }, middle) {
      const worst = marks.reduce((one, mark) => (rank(mark.severity ?? "low") < rank(one.severity ?? "low") ? mark : one));
      const one = marks.length === 1;
      const kind = `mark ${one ? worst.kind : "many"} ${worst.severity ?? ""}`;
      const width = widthOf(marks);
      const node = one
        ? svg("path", { class: kind, d: SHAPES[worst.kind](at, middle) })
        : svg("g", { class: kind },
          svg("rect", { x: at - width / 2, y: middle - 8, width, height: 16, rx: 8 }),
          svg("text", { x: at, y: middle + 4 }, number(marks.length)));
      const [from, to] = [marks[0].time, marks.at(-1).time];
      const lines = one ? [time(from), worst.text] : [`${time(from)} – ${time(to)}`, curfewd.marksSaid(marks), worst.text];
      node.addEventListener("click", () => {
        if (!one && to - from > 100) zoomTo(from - (to - from) * 0.3, to + (to - from) * 0.3);
        else if (onMark) onMark(worst);
      });
      return tipped(node, lines);
    }

    const widthOf = (marks) => (marks.length === 1 ? MARK : 12 + 6 * String(marks.length).length);
    const clamp = (at) => Math.max(-50, Math.min(state.width + 50, at));

    function tipped(node, lines) {
      node.addEventListener("pointerenter", () => {
        tip.replaceChildren(...lines.filter(Boolean).map((text) => el("p", null, text)));
        tip.hidden = false;
        const [frame, mark] = [box.getBoundingClientRect(), node.getBoundingClientRect()];
        const left = Math.max(0, Math.min(mark.left - frame.left + mark.width / 2 - 20, frame.width - tip.offsetWidth - 2));
        tip.style.left = `${left}px`;
        tip.style.top = `${mark.bottom - frame.top + 8}px`;
      });
      node.addEventListener("pointerleave", () => { tip.hidden = true; });
      return node;
    }

    function toggleTable() {
      state.table = !state.table;
      asTable.setAttribute("aria-pressed", String(state.table));
      table.hidden = !state.table;
      if (state.table) fillTable();
    }

    function fillTable() {
      const lines = shown().flatMap((row) => tableLines(row).filter(({ at }) => at >= state.seen[0] && at <= state.seen[1]));
      table.replaceChildren(el("table", null,
        el("caption", null, `${counted(lines.length, "moment")} of ${counted(shown().length, "task")}`),
        el("thead", null, el("tr", null, ["Task", "Credential", "Time", "What happened", "Severity"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", null, lines.map((line) => el("tr", null,
          el("th", { scope: "row" }, line.task), el("td", null, line.credential), el("td", { class: "time" }, time(line.at)),
          el("td", null, line.mark?.finding && onMark
            ? el("button", { type: "button", class: "link", onclick: () => onMark(line.mark) }, line.text) : line.text),
          el("td", null, line.mark?.severity ?? ""))))));
    }

    function drawPager() {
      const pages = Math.ceil(state.rows.length / PAGE);
      const turn = (by) => { state.page += by; draw(); drawPager(); };
      pager.hidden = pages < 2;
      if (pages < 2) return;
      const first = state.page * PAGE;
      const turner = (text, by, off) => el("button", { type: "button", disabled: off, onclick: () => turn(by) }, text);
      pager.replaceChildren(turner("Previous tasks", -1, state.page === 0),
        el("span", { role: "status" }, `Tasks ${number(first + 1)} to ${number(Math.min(first + PAGE, state.rows.length))} of ${number(state.rows.length)}, worst first`),
        turner("Next tasks", 1, state.page === pages - 1));
    }

    return { node, show, zoomTo, reset };
  }

  const SHAPES = {
    use: (x, y) => `M${x - 5.5} ${y}a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0 -11 0z`,
    leak: (x, y) => `M${x} ${y - 7}l6.5 7l-6.5 7l-6.5 -7z`,
    command: (x, y) => `M${x - 4} ${y + 7}v-15l11 5l-8.5 4v6z`,
    other: (x, y) => `M${x - 4.5} ${y - 4.5}h9v9h-9z`,
    revoked: (x, y) => `M${x - 5} ${y - 5}l10 10m0 -10l-10 10`,
    dead: (x, y) => `M${x - 7} ${y}a7 7 0 1 0 14 0a7 7 0 1 0 -14 0zM${x - 3} ${y - 3}l6 6m0 -6l-6 6`,
  };

  function legend() {
    const item = (name, ...shapes) => el("li", null, svg("svg", { viewBox: "0 0 22 16", "aria-hidden": "true" }, shapes), name);
    const mark = (kind) => svg("path", { class: `mark ${kind} plain`, d: SHAPES[kind](11, 8) });
    const bar = (kind, height) => svg("rect", { class: kind, x: 1, y: 8 - height / 2, width: 20, height, rx: 2 });
    return el("ul", { class: "legend" },
      item("task", bar("bar", 10)), item("its deadline", svg("path", { class: "deadline", d: "M11 0v16" })), item("credential lives", bar("life", 4)), item("outlives its task", bar("overstay", 4)),
      item("use", mark("use")), item("leak", mark("leak")), item("revoked", mark("revoked")), item("proved dead", mark("dead")),
      item("revocation asked for", mark("command")), item("other evidence", mark("other")));
  }

  // A lane for each task and each of its credentials.
  function lanesOf(rows, narrow) {
    return rows.flatMap((row) => {
      const { task } = row;
      const lasting = task.started === undefined ? [] : [`${time(task.started)} – ${task.ended === undefined ? "not ended" : time(task.ended)}`];
      const about = [task.id || "No task known", ...lasting, task.owner ? `owner ${task.owner}` : ""];
      const lane = (marks) => [...marks].sort((one, other) => one.time - other.time);
      return [
        { row, name: task.id || "No task known", about, marks: lane(row.marks), ...(narrow ? { height: 42, middle: 25 } : { height: 28, middle: 16 }) },
        ...row.credentials.map((credential) => ({
          credential, task, name: credential.id, marks: lane(credential.marks), ...(narrow ? { height: 36, middle: 23 } : { height: 22, middle: 10 }),
          about: [`${credential.kind ?? "credential"} ${credential.id}`,
            credential.issued === undefined ? "" : `issued ${time(credential.issued)}`,
            credential.expires === undefined ? "never expires" : `expires ${time(credential.expires)}`,
            credential.revoked === undefined ? "not known to be revoked" : `revoked ${time(credential.revoked)}`,
            credential.dead === undefined ? "" : `proved dead ${time(credential.dead)}`],
        })),
      ];
    });
  }

  function tableLines(row) {
    const { task } = row;
    const lines = [];
    const add = (at, text, credential = "", mark = null) => {
      if (at !== undefined) lines.push({ at, text, task: task.id || "No task known", credential, mark });
    };
    add(task.started, "Task started");
    add(task.ended, "Task ended");
    add(task.deadline, "Deadline of the task");
    for (const mark of row.marks) add(mark.time, mark.text, "", mark);
    for (const credential of row.credentials) {
      add(credential.issued, "Credential issued", credential.id);
      add(credential.expires, "Credential expires", credential.id);
      for (const mark of credential.marks) add(mark.time, mark.text, credential.id, mark);
    }
    return lines.sort((one, other) => one.at - other.at);
  }

  // From the first to the last event. An expiry or a deadline in the future does not stretch it.
  function extent(rows) {
    let [first, last] = [Infinity, -Infinity];
    for (const row of rows) {
      const marks = [row, ...row.credentials].flatMap((lane) => lane.marks.map((mark) => mark.time));
      for (const at of [row.task.started, row.task.ended, ...row.credentials.map((one) => one.issued), ...marks]) {
        if (at === undefined) continue;
        first = Math.min(first, at);
        last = Math.max(last, at);
      }
    }
    return first === Infinity ? [0, 1] : [first, last];
  }

  function pad(first, last) {
    const room = Math.max((last - first) * 0.02, 1000);
    return [first - room, last + room];
  }

  curfewd.timeline = timeline;
}
