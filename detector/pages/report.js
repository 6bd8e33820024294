"use strict";
// The report of a replay: unpacks its data, shows and filters it, and lays all of it out for the printer.
{
  const { SEVERITIES, el, time, number, counted, bytes, capital, badge, findingCard, timeline, rowsOf } = curfewd;
  const PAGE = 50; // findings in the list at once
  const COMMANDS = 100;
  const SOURCES = 20;
  const PRINTED = 1000; // findings on paper
  const PAUSE = 120; // milliseconds to wait while somebody types

  const main = document.getElementById("report");
  const state = { text: "", severities: new Set(), rule: "", task: null, page: 0, commands: 0 };
  const parts = {};
  let data, found;

  // The data is JSON, compressed and in base64: no text in it can end the script or become markup.
  async function unpacked() {
    const packed = Uint8Array.from(atob(document.getElementById("report-data").textContent), (char) => char.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const made = await new Response(stream).json();
    const [findings, commands] = [[], []];
    for (const { tasks, credentials, ...group } of made.groups) {
      for (const packed of group.findings) {
        const { first, severity, title, advice: [text, handle] } = packed;
        const task = tasks[packed.task];
        findings.push({
          status: "new", count: 1, ...packed, task, uid: uuid(packed.uid), last: first + (packed.last ?? 0),
          credential: packed.credential === undefined ? undefined : { task: task?.id, ...credentials[packed.credential] },
          message: `${title}. ${packed.message}`, advice: made.texts[text] + (handle === undefined ? "" : made.handle + handle),
          evidence: packed.evidence.map((piece) => ({ severity, ...piece, time: first + (piece.time ?? 0) })),
        });
      }
      commands.push(...group.commands);
    }
    findings.sort((one, other) => (one.status === "accepted") - (other.status === "accepted")
      || curfewd.rank(one.severity) - curfewd.rank(other.severity) || one.first - other.first || (one.uid < other.uid ? -1 : 1));
    commands.sort((one, other) => one.time - other.time || (one.credential < other.credential ? -1 : 1));
    return { ...made, findings, commands };
  }

  function uuid(packed) {
    const digits = [...atob(packed)].map((char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("");
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
  }

  // All texts of a finding, lower case, made when first searched.
  function haystack(finding) {
    finding.haystack ??= textsOf({ ...finding, advice: "" }).join("\n").toLowerCase();
    return finding.haystack;
  }

  function textsOf(value) {
    if (typeof value === "string") return [value];
    return value && typeof value === "object" ? Object.values(value).flatMap(textsOf) : [];
  }

  function kept(finding) {
    const group = finding.status === "accepted" ? "accepted" : finding.severity;
    return (state.severities.size === 0 || state.severities.has(group))
      && (!state.rule || finding.rule === state.rule)
      && (state.task === null || finding.task?.id === state.task)
      && (!state.text || haystack(finding).includes(state.text));
  }

  // Shows what the filter leaves, and how much that is.
  function refresh() {
    found = data.findings.filter(kept);
    state.page = 0;
    parts.chart.show(rowsOf(found, data.commands));
    parts.timeline.hidden = data.findings.length === 0;
    const tasks = new Set(found.map((finding) => finding.task?.id).filter((id) => id !== undefined));
    parts.live.textContent = `${found.length === data.findings.length ? "All" : `${number(found.length)} of`} ${counted(data.findings.length, "finding")}, `
      + `about ${counted(tasks.size, "task")}`;
    parts.chip.hidden = state.task === null;
    parts.chip.textContent = `Task ${state.task ?? ""} ✕`;
    parts.clear.disabled = !(state.text || state.rule || state.severities.size || state.task !== null);
    showFindings();
  }

  function showFindings({ all = false } = {}) {
    const first = all ? 0 : state.page * PAGE;
    const cards = found.slice(first, all ? PRINTED : first + PAGE);
    const made = [];
    let group = null;
    for (const finding of cards) {
      const name = finding.status === "accepted" ? "accepted" : finding.severity;
      if (name !== group) {
        group = name;
        made.push(el("h3", null, `${capital(name)} (${number(found.filter((one) => (one.status === "accepted" ? "accepted" : one.severity) === name).length)})`));
      }
      made.push(findingCard(finding, { rules: data.rules, open: all, onTask: chooseTask, acceptable: !all }));
    }
    if (!made.length) made.push(el("p", { class: "empty" }, data.findings.length ? "No finding matches. Clear the filter to see all." : "No findings."));
    if (all && found.length > PRINTED) made.push(el("p", null, `${number(found.length - PRINTED)} more findings are not printed. Filter first to print them.`));
    parts.list.replaceChildren(...made);
    pager(parts.pager, found.length, PAGE, state.page, "Findings", (page) => {
      state.page = page;
      showFindings();
      parts.heading.focus();
      parts.heading.scrollIntoView();
    });
  }

  function pager(node, total, size, page, name, turn) {
    const last = Math.ceil(total / size) - 1;
    node.hidden = last < 1;
    node.replaceChildren(
      el("button", { type: "button", disabled: page === 0, onclick: () => turn(page - 1) }, "Previous"),
      el("span", null, `${name} ${number(page * size + 1)} to ${number(Math.min(total, (page + 1) * size))} of ${number(total)}`),
      el("button", { type: "button", disabled: page >= last, onclick: () => turn(page + 1) }, "Next"));
  }

  function chooseTask(id) {
    state.task = id;
    refresh();
    parts.filter.scrollIntoView();
    parts.chip.focus();
  }

  function chooseMark({ finding }) {
    if (!finding) return;
    state.page = Math.max(0, Math.floor(found.indexOf(finding) / PAGE));
    showFindings();
    const card = document.getElementById(`finding-${finding.uid}`);
    card.open = true;
    card.scrollIntoView({ block: "center" });
    card.firstElementChild.focus();
  }

  // The counts at the top, which are filters.
  function tiles() {
    return el("ul", { class: "tiles" }, [...SEVERITIES, "accepted"].map((name) => el("li", null,
      el("button", {
        type: "button", class: `tile ${name}`, "aria-pressed": "false", disabled: !data.counts[name],
        onclick: ({ currentTarget }) => {
          const on = !state.severities.has(name);
          state.severities[on ? "add" : "delete"](name);
          currentTarget.setAttribute("aria-pressed", String(on));
          refresh();
        },
      }, el("b", null, number(data.counts[name])), " ", capital(name)))),
    el("li", null, el("a", { class: "tile", href: "#revoke" }, el("b", null, number(data.counts.revoke)), " To revoke")));
  }

  function filter() {
    const rules = [...new Set(data.findings.map((finding) => finding.rule))].sort();
    let timer = 0;
    const text = el("input", {
      type: "search", id: "search", autocomplete: "off", spellcheck: "false",
      oninput: () => {
        clearTimeout(timer);
        timer = setTimeout(() => { state.text = text.value.trim().toLowerCase(); refresh(); }, PAUSE);
      },
    });
    const rule = el("select", { id: "rule", onchange: () => { state.rule = rule.value; refresh(); } },
      el("option", { value: "" }, "all rules"), rules.map((name) => el("option", { value: name }, name)));
    parts.chip = el("button", { type: "button", class: "chip", hidden: true, title: "Show all tasks again", onclick: () => { state.task = null; refresh(); text.focus(); } });
    parts.clear = el("button", {
      type: "button", disabled: true,
      onclick: () => {
        Object.assign(state, { text: "", rule: "", task: null });
        state.severities.clear();
        text.value = "";
        rule.value = "";
        for (const tile of document.querySelectorAll("button.tile")) tile.setAttribute("aria-pressed", "false");
        refresh();
        text.focus();
      },
    }, "Clear");
    parts.live = el("p", { role: "status", class: "live" });
    parts.filter = el("form", { role: "search", class: "filter panel", "aria-label": "Filter the findings", onsubmit: (event) => event.preventDefault() },
      tiles(),
      el("div", { class: "fields" },
        el("label", { for: "search" }, "Find"), text,
        el("label", { for: "rule" }, "Rule"), rule, parts.chip, parts.clear, parts.live));
    return parts.filter;
  }

  function lead() {
    const [worst] = rowsOf(data.findings.filter((finding) => finding.status === "new"), []);
    const asked = data.counts.revoke ? `${counted(data.counts.revoke, "credential")} to revoke. ` : "";
    if (!worst?.task.id) return asked ? el("p", { class: "lead" }, asked) : null;
    const told = SEVERITIES.map((name, index) => (worst.counts[index] ? `${number(worst.counts[index])} ${name}` : null)).filter(Boolean);
    return el("p", { class: "lead" }, `${asked}Begin with task `,
      el("button", { type: "button", class: "link", onclick: () => chooseTask(worst.task.id) }, worst.task.id), `: ${told.join(", ")}.`);
  }

  function commands() {
    const table = el("tbody");
    const pages = el("p", { class: "pager" });
    parts.commands = (all = false) => {
      const first = all ? 0 : state.commands * COMMANDS;
      table.replaceChildren(...data.commands.slice(first, all ? PRINTED : first + COMMANDS).map((command) => el("tr", null,
        el("th", { scope: "row" }, command.credential),
        el("td", null, command.task && data.findings.some((one) => one.task?.id === command.task)
          ? el("button", { type: "button", class: "link", onclick: () => chooseTask(command.task) }, command.task) : command.task),
        el("td", { class: "time" }, time(command.time)),
        el("td", null, badge(command.severity), " ", command.reasons.join(", "), command.escalated ? ". Escalated: it is revoked and still works." : null,
          command.dead === undefined ? null : el("p", { class: "meta" }, `Proved dead ${time(command.dead)}`)),
        el("td", null, command.handle ?? ""))));
      pager(pages, data.commands.length, COMMANDS, state.commands, "Commands", (page) => { state.commands = page; parts.commands(); });
    };
    parts.commands();
    return section("revoke", "To revoke", data.commands.length
      ? [el("div", scrolling("Credentials to revoke"), el("table", null,
        el("thead", null, el("tr", null, ["Credential", "Task", "Asked at", "Why", "Handle"].map((name) => el("th", { scope: "col" }, name)))), table)), pages]
      : el("p", { class: "empty" }, "No credential has to be revoked."));
  }

  // Beside findings, the headline does not say what could not be judged.
  function unjudged() {
    if (!data.coverage.unjudged || !data.findings.some((finding) => finding.status === "new")) return null;
    return el("p", { class: "lead" }, `${counted(data.coverage.unjudged, "credential")} could not be judged: `, el("a", { href: "#judged" }, "why"), ".");
  }

  function coverage() {
    const { sentence, gaps } = data.coverage;
    if (!sentence) return null;
    return section("judged", "What could be judged",
      el("p", null, capital(sentence), "."),
      gaps.length ? el("div", scrolling("Credentials that could not be judged"), el("table", null,
        el("thead", null, el("tr", null, ["Not judged", "Why", "For example"].map((name) => el("th", { scope: "col" }, name)))),
        el("tbody", null, gaps.map(([who, why, examples]) => el("tr", null,
          el("th", { scope: "row" }, who), el("td", null, capital(why), "."), el("td", null, examples)))))) : null);
  }

  function scrolling(label) {
    return { class: "scroll", tabindex: "0", role: "group", "aria-label": label };
  }

  function read() {
    const { read: all } = data;
    const counts = (pairs) => pairs.map(([name, count]) => `${number(count)} ${name}`).join(", ");
    const rows = (list) => list.map(([source, format, records, size]) => el("tr", null,
      el("th", { scope: "row" }, source), el("td", null, format), el("td", { class: "number" }, number(records)), el("td", { class: "number" }, bytes(size))));
    const table = (list) => el("table", null, el("thead", null, el("tr", null,
      el("th", { scope: "col" }, "Source"), el("th", { scope: "col" }, "Format"),
      el("th", { scope: "col", class: "number" }, "Records"), el("th", { scope: "col", class: "number" }, "Size"))), el("tbody", null, rows(list)));
    const letters = all.letters.map((letter) => el("tr", null,
      el("th", { scope: "row" }, letter.place), el("td", null, letter.reason), el("td", null, letter.detail)));
    return section("read", "What was read",
      curfewd.facts([
        ["Amount", `${counted(all.total_sources, "source")}, ${counted(all.records, "record")}, ${bytes(all.bytes)}`],
        ["Judged up to", data.until ? time(data.until) : null],
        ["Formats", counts(all.formats)],
        ["Events", counts(all.events)],
        ["Unreadable", counts(all.dead_letters)],
        ["Unresolved", all.unresolved.length ? `events about unknown credentials: ${counts(all.unresolved)}` : null],
        ["Conflicts", all.conflicts ? `${counted(all.conflicts, "identifier")} claimed by two credentials; the earliest issue gets it` : null],
        ["Baseline", all.baseline],
        ...(all.gone ?? []).map((name) => ["No longer occurs", name]),
        ["Allowed", all.allowed.length ? `by [[allow]]: ${counts(all.allowed)}` : null],
        ...all.warnings.map((text) => ["Warning", text]),
      ]),
      all.sources.length ? el("details", { class: "more", open: all.sources.length <= SOURCES },
        el("summary", null, counted(all.total_sources, "source")),
        el("div", scrolling("Sources"), table(all.sources)),
        all.total_sources > all.sources.length ? el("p", { class: "hint" }, "These are the largest; summary.json has all.") : null) : null,
      letters.length ? el("details", { class: "more" },
        el("summary", null, `${counted(all.total_letters, "record")} that could not be read`),
        el("div", scrolling("Records that could not be read"), el("table", null,
          el("thead", null, el("tr", null, ["Where", "Reason", "What"].map((name) => el("th", { scope: "col" }, name)))), el("tbody", null, letters))),
        all.total_letters > letters.length ? el("p", { class: "hint" }, "These are the first; dead-letters.jsonl has all.") : null) : null);
  }

  function section(id, title, ...children) {
    return el("section", { id, "aria-labelledby": `${id}-title` }, el("h2", { id: `${id}-title`, tabindex: "-1" }, title), ...children);
  }

  function show() {
    parts.chart = timeline({ label: "Timeline of the tasks with findings", onMark: chooseMark, onTask: chooseTask });
    parts.list = el("div", { class: "list" });
    parts.pager = el("p", { class: "pager" });
    parts.timeline = section("timeline", "Timeline", parts.chart.node);
    const hidden = data.total - data.findings.length;
    const findings = section("findings", "Findings",
      hidden > 0 ? el("p", { class: "hint" }, `The ${number(data.findings.length)} worst of ${number(data.total)}; findings.jsonl has all.`) : null,
      parts.list, parts.pager);
    parts.heading = findings.firstElementChild;
    main.replaceChildren(...[lead(), unjudged(), filter(), parts.timeline, findings, commands(), coverage(), read()].filter(Boolean));
    refresh();
    main.setAttribute("aria-busy", "false");
    // Paper has no buttons: open everything that the filter leaves.
    window.addEventListener("beforeprint", () => {
      showFindings({ all: true });
      parts.commands(true);
      for (const more of document.querySelectorAll("details.more")) more.open = true;
    });
    window.addEventListener("afterprint", () => { showFindings(); parts.commands(); });
  }

  unpacked().then((made) => { data = made; show(); }).catch(() => {
    main.replaceChildren(el("p", null, "The report cannot be shown: this browser is too old, or the file is damaged. findings.jsonl has everything."));
    main.setAttribute("aria-busy", "false");
  });
}
