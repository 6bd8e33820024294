"use strict";
// The live view: reads the events of the service while the page is open, and asks for a task when one is chosen.
{
  const { SEVERITIES, el, svg, time, span, number, counted, bytes, capital, badge, facts, findingCard, taskDetail, rank, rowsOf, sentenceOf } = curfewd;
  const SHOWN = 100; // findings, and commands, in the page at once
  const KEPT = 500; // findings, and commands, in memory: as many as the service keeps
  const WAITING = 50; // commands that wait
  const UNJUDGED = 6; // reasons for which credentials could not be judged
  const SILENCE = 10000; // milliseconds after which a connection counts as lost: `now` comes every second
  const [FIRST_PAUSE, LONGEST_PAUSE] = [1000, 15000];
  const [RATE, HISTORY] = [10000, 120000]; // milliseconds for a rate, and for the lines
  const STAGES = { scan: "Scan: logs and events in", judge: "Judge: findings out", lookback: "Look-back: logs scanned again" };

  const TITLE = document.title;

  const at = (id) => document.getElementById(id);
  const parts = {};
  const state = {
    token: "", place: "", rules: {}, now: null, past: [], paused: false,
    findings: new Map(), commands: new Map(), fresh: new Set(), text: "", severity: "", unseen: 0,
  };

  // The connection

  // The token goes into a header of each request and nowhere else, so that no address and no other port gets it.
  function ask(path, more) {
    const headers = state.token ? { Authorization: `Bearer ${state.token}` } : {};
    return fetch(path, { ...more, headers: { ...headers, ...more?.headers }, cache: "no-store", credentials: "omit", redirect: "error" });
  }

  async function follow() {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const began = Date.now();
      let why = "the connection was lost";
      try {
        const refusal = await read();
        if (refusal?.status === 401) {
          gate(state.token ? "This token is wrong." : "");
          return;
        }
        why = refusal?.text ?? why;
      } catch {
        // The connection broke or was refused: try again.
      }
      if (Date.now() - began > LONGEST_PAUSE) pause = FIRST_PAUSE;
      say("gone", `No connection: ${why}`, "The page shows the last known state. Trying again …");
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  // Reads events until the connection ends. Returns the refusal, if there is one.
  async function read() {
    const stopping = new AbortController();
    let silence = setTimeout(() => stopping.abort(), SILENCE);
    try {
      const answer = await ask("view/events", { signal: stopping.signal, headers: state.place ? { "Last-Event-ID": state.place } : {} });
      if (!answer.ok) return { status: answer.status, text: (await answer.text()).trim().slice(0, 200) };
      at("gate").hidden = true;
      at("live").hidden = false;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return null;
        clearTimeout(silence);
        silence = setTimeout(() => stopping.abort(), SILENCE);
        const events = (text + value).split("\n\n");
        text = events.pop();
        events.forEach(take);
        refresh();
      }
    } finally {
      clearTimeout(silence);
    }
  }

  function take(event) {
    const fields = Object.fromEntries(event.split("\n").map((line) => line.split(/: (.*)/s, 2)));
    const data = JSON.parse(fields.data);
    ({
      hello: () => { state.rules = data.rules; },
      now: () => standing(data),
      finding: () => keep("findings", data.uid, data),
      command: () => keep("commands", data.id, data),
      held: () => showHeld(data),
      resync: () => missed(data),
    })[fields.event]?.();
    if (fields.id) state.place = fields.id;
  }

  // The latest value of a name counts, and moves to the end.
  function keep(kind, name, value) {
    const all = state[kind];
    all.delete(name);
    all.set(name, value);
    state.fresh.add(name);
    if (all.size > KEPT) all.delete(all.keys().next().value);
    if (kind === "findings") state.unseen += 1;
    parts[kind] = true;
  }

  function missed(why) {
    at("gap").hidden = false;
    at("gap").textContent = why === "restarted"
      ? "The service restarted. Findings that it wrote while this page was not connected are missing here. The topics have them."
      : "There were more findings than this page can show. Some are missing here. The topics have all of them.";
  }

  function gate(why) {
    state.token = "";
    at("live").hidden = true;
    at("gate").hidden = false;
    at("gate-why").textContent = why;
    say("unwell", "Token required", "");
    at("token").focus();
  }

  // The state of the service

  function say(kind, text, hint) {
    if (at("state").textContent !== text) at("state").textContent = text;
    at("state").className = kind;
    at("since").textContent = hint;
  }

  function standing(now) {
    state.now = now;
    state.past = [...state.past, now].filter((one) => one.started === now.started && one.at > now.at - HISTORY);
    say(now.ready ? "unwell" : "well", now.ready ? `Not ready: ${now.ready}` : "Ready", `Started ${time(now.started)}, ${span(now.at - now.started)} ago.`);
    at("where").textContent = `· ${now.group} · ${now.host}`;
    at("stages").replaceChildren(...now.stages.map(stagePanel));
    at("numbers").replaceChildren(numbers(now));
    showUnjudged(now.joins);
  }

  // Credentials that could not be judged, by what issued them and why.
  function showUnjudged(joins) {
    const not = joins.filter((one) => !one.judged);
    const lines = not.slice(0, UNJUDGED).map((one) => el("li", null, `${number(one.credentials)} of ${one.source}: ${one.means}`));
    const rest = not.slice(UNJUDGED).reduce((sum, one) => sum + one.credentials, 0);
    at("unjudged").hidden = not.length === 0;
    at("unjudged").replaceChildren(
      el("h3", null, `${shareOf(joins, (one) => !one.judged)} could not be judged`),
      el("ul", null, lines, rest ? el("li", null, `… and ${number(rest)} more`) : null));
  }

  // How many credentials of all are such ones: `3 of 41 credentials`.
  function shareOf(joins, such) {
    const count = (some) => some.reduce((sum, one) => sum + one.credentials, 0);
    return `${number(count(joins.filter(such)))} of ${counted(count(joins), "credential")}`;
  }

  // How much a counter of a stage grew each second, between two moments.
  function rate(first, last, stage, name) {
    const [before, after] = [first, last].map((one) => one.stages.find((each) => each.name === stage)?.[name]);
    return before === undefined || last.at <= first.at ? 0 : Math.max(0, ((after - before) * 1000) / (last.at - first.at));
  }

  function perSecond(stage, name, last = state.past.length - 1) {
    const from = state.past.findIndex((one) => one.at >= state.past[last].at - RATE);
    return rate(state.past[from], state.past[last], stage, name);
  }

  function stagePanel(stage) {
    const { name } = stage;
    const amount = perSecond(name, "records");
    const idle = stage.held === 0 && name !== "lookback";
    const held = name === "lookback" ? null : stage.at_work === stage.held ? `${counted(stage.held, "partition")}, all at work` : `${number(stage.at_work)} of ${counted(stage.held, "partition")} at work`;
    return el("div", { class: "stage panel" },
      el("h3", null, STAGES[name] ?? name),
      el("p", { class: "rate" }, number(Math.round(amount)), el("span", null, ` records/s · ${bytes(Math.round(perSecond(name, "bytes")))}/s`)),
      spark(name),
      el("ul", null,
        el("li", { class: stage.behind > 60 ? "bad" : null }, name === "lookback"
          ? (stage.behind > 0 ? `${span(stage.behind * 1000)} behind schedule` : "on schedule")
          : `${counted(stage.lag, "record")} to read${stage.lag ? `, ${span(stage.behind * 1000)} behind` : ""}`),
        held ? el("li", { class: idle || stage.at_work < stage.held ? "bad" : null }, held) : null,
        stage.standing > 60 ? el("li", { class: "bad" }, `no progress for ${span(stage.standing * 1000)}`) : null,
        stage.aborted ? el("li", null, `${counted(stage.aborted, "transaction")} aborted since the start`) : null,
        el("li", null, `${counted(stage.records, "record")} since the start`)));
  }

  function spark(stage) {
    const points = state.past.map((one, index) => [one.at, perSecond(stage, "records", index)]);
    const most = Math.max(1, ...points.map(([, value]) => value));
    const x = (ms) => 100 - ((state.now.at - ms) / HISTORY) * 100;
    return svg("svg", { viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("line", { class: "ground", x1: 0, x2: 100, y1: 20, y2: 20 }),
      svg("polyline", { class: "line", points: points.map(([ms, value]) => `${x(ms).toFixed(2)},${(20 - (value / most) * 19).toFixed(2)}`).join(" ") }));
  }

  function numbers(now) {
    const cpu = state.past.length > 1 ? ((now.cpu - state.past[0].cpu) * 100000) / (now.at - state.past[0].at) : 0;
    const severities = SEVERITIES.filter((name) => now.findings[name]).map((name) => `${number(now.findings[name])} ${name}`);
    const here = now.judged.here;
    return facts([
      ["Watermark", now.watermark === null ? "not known yet" : `${time(now.watermark)}, ${span(now.at - now.watermark)} ago`],
      ["New findings", severities.join(", ") || "none"],
      ["Commands", `${number(now.commands.plain ?? 0)} plain, ${number(now.commands.escalated ?? 0)} escalated`],
      ["Leaks", number(now.leaks)],
      ["Dead letters", number(now.dead_letters)],
      ["Registered", `${counted(now.credentials, "credential")}${now.conflicts ? `, ${counted(now.conflicts, "identifier")} claimed twice` : ""}`],
      ["Judged", shareOf(now.joins, (one) => one.judged)],
      ["Unknown credential", `${counted(now.unresolved, "event")}, ${number(now.parked)} waiting`],
      ["Late events", number(now.late)],
      ["Judged here", here.length ? `${number(here.length)} of ${counted(now.judged.of, "partition")}` : "no partition"],
      ["Memory, CPU", `${bytes(now.memory)}, ${Math.round(cpu)} % of a core`],
      ["This view", counted(now.readers, "reader")],
    ]);
  }

  // The lists

  function refresh() {
    if (state.paused) {
      parts.pause.textContent = state.unseen ? `Resume (${number(state.unseen)} new)` : "Resume";
      return;
    }
    if (parts.findings) showFindings();
    if (parts.commands) showCommands();
    state.fresh.clear();
    parts.findings = parts.commands = false;
  }

  function kept(finding) {
    return (!state.severity || finding.severity === state.severity)
      && (!state.text || JSON.stringify(finding).toLowerCase().includes(state.text));
  }

  function showFindings() {
    state.unseen = 0;
    const list = at("findings");
    const cards = new Map([...list.querySelectorAll("details")].map((card) => [card.id, card]));
    const found = [...state.findings.values()].reverse().filter(kept);
    const made = found.slice(0, SHOWN).map((finding) => {
      const known = cards.get(`finding-${finding.uid}`);
      if (known && !state.fresh.has(finding.uid)) return known;
      const card = findingCard(finding, { rules: state.rules, open: known?.open ?? false, onTask: choose });
      if (state.fresh.has(finding.uid)) card.classList.add("fresh");
      return card;
    });
    const held = document.activeElement?.closest?.("#findings details")?.id;
    list.replaceChildren(...(made.length ? made : [el("p", { class: "empty" }, state.findings.size ? "No finding matches." : "None yet. A finding appears here as soon as it is committed.")]));
    if (held) document.getElementById(held)?.firstElementChild.focus({ preventScroll: true });
    const all = found.length === state.findings.size ? "" : ` of ${number(state.findings.size)}`;
    parts.said.textContent = `${number(Math.min(found.length, SHOWN))}${all} shown`;
  }

  function showCommands() {
    const made = [...state.commands.values()].reverse().slice(0, SHOWN).map((command) => el("li", { class: state.fresh.has(command.id) ? "command fresh" : "command" },
      badge(command.severity), " ", el("b", null, command.credential), command.escalated ? " again, escalated" : "",
      el("p", { class: "meta" }, time(command.time), ", task ",
        el("button", { type: "button", class: "link", onclick: () => choose(command.task) }, command.task)),
      el("p", { class: "meta" }, command.reasons.join(", ")),
      command.handle ? el("p", { class: "meta" }, command.handle) : null));
    at("commands").replaceChildren(made.length ? el("ol", { class: "commands" }, made) : el("p", { class: "empty" }, "None yet."));
  }

  // Commands that wait for a person, and those that can be tried again. The buttons keep the focus while others come and go.
  function showHeld({ held, total, retriable, retriable_total: ended }) {
    const focused = document.activeElement?.closest?.("#waiting li")?.dataset.id;
    const asked = document.activeElement?.dataset?.verdict;
    at("waiting").hidden = held.length + retriable.length === 0 && !at("decided").textContent;
    showWaiting("held", held, total, ["approve", "deny"], "curfewd revoke held shows all.");
    at("retriable-title").hidden = retriable.length === 0;
    showWaiting("retriable", retriable, ended, ["retry"], "The topic of outcomes has all.");
    if (focused) [...at("waiting").querySelectorAll("li")].find((one) => one.dataset.id === focused)?.querySelector(`[data-verdict=${asked ?? "approve"}]`)?.focus({ preventScroll: true });
  }

  function showWaiting(id, some, total, verdicts, where) {
    const made = some.slice(0, WAITING).map((one) => el("li", { class: "command", "data-id": one.command_id },
      el("b", null, one.credential_id || one.command_id),
      el("p", { class: "meta" }, `${one.outcome ? `${one.outcome}: ` : ""}${one.why}, since ${time(Date.parse(one.since))}${one.target ? `, at ${one.target}` : ""}`),
      el("p", { class: "meta" }, "Command ", el("code", null, one.command_id)),
      Object.keys(one.said).length ? el("p", { class: "meta" }, Object.entries(one.said).map(([name, verdict]) => `${name}: ${verdict}`).join(", ")) : null,
      el("p", { class: "decide" }, verdicts.map((verdict) => [
        el("button", { type: "button", "data-verdict": verdict, "aria-label": `${capital(verdict)} the revocation of ${one.credential_id}`, onclick: () => decide(one, verdict) }, capital(verdict)), " "]))));
    const more = total > made.length ? el("p", { class: "hint" }, `… and ${number(total - made.length)} more. ${where}`) : "";
    at(id).replaceChildren(made.length ? el("ol", { class: "commands" }, made) : el("p", { class: "empty" }, "None."), more);
  }

  // The approver's token goes with this one request. It stays in the field until the page is closed.
  async function decide(one, verdict) {
    const token = at("approver-token").value.trim();
    if (!token) {
      at("decided").textContent = "Enter your token first.";
      at("approver-token").focus();
      return;
    }
    let said = "no connection";
    try {
      const answer = await fetch(`approvals/${verdict}?id=${encodeURIComponent(one.command_id)}`, {
        method: "POST", headers: { Authorization: `Bearer ${token}` }, cache: "no-store", credentials: "omit", redirect: "error" });
      said = answer.status === 401 ? "this is the token of no approver" : (await answer.text()).trim().slice(0, 200);
    } catch {
      // said already
    }
    at("decided").textContent = `${one.credential_id}: ${said}.`;
  }

  function filter() {
    const changed = () => { parts.findings = true; state.paused = false; pausing(); refresh(); };
    const text = el("input", { type: "search", id: "search", autocomplete: "off", spellcheck: "false", oninput: () => { state.text = text.value.trim().toLowerCase(); changed(); } });
    const severity = el("select", { id: "severity", onchange: () => { state.severity = severity.value; changed(); } },
      el("option", { value: "" }, "all severities"), SEVERITIES.map((name) => el("option", { value: name }, capital(name))));
    parts.pause = el("button", { type: "button", "aria-pressed": "false", onclick: () => { state.paused = !state.paused; pausing(); parts.findings = parts.commands = true; refresh(); } });
    parts.said = el("span", { class: "said", role: "status" });
    const wanted = el("input", { id: "wanted", autocomplete: "off", spellcheck: "false" });
    const pausing = () => {
      parts.pause.setAttribute("aria-pressed", String(state.paused));
      parts.pause.textContent = state.paused ? "Resume" : "Pause";
    };
    pausing();
    at("filter").append(
      el("form", { class: "fields", role: "search", "aria-label": "Filter the findings", onsubmit: (event) => event.preventDefault() },
        field("Find", text), field("Severity", severity), parts.pause, parts.said),
      el("form", { class: "fields", role: "search", "aria-label": "Look up a task", onsubmit: (event) => { event.preventDefault(); if (wanted.value.trim()) choose(wanted.value.trim()); } },
        field("Task", wanted), el("button", null, "Look up")));
  }

  function field(label, input) {
    return el("span", { class: "field" }, el("label", { for: input.id }, label), " ", input);
  }

  // One task. Its id is in the address, so that the Back button works.

  function choose(id) {
    location.hash = `task=${encodeURIComponent(id)}`;
  }

  function chosen() {
    try {
      return location.hash.startsWith("#task=") ? decodeURIComponent(location.hash.slice(6)) : null;
    } catch {
      return null;
    }
  }

  async function showTask() {
    const id = chosen();
    at("now").hidden = at("feeds").hidden = id !== null;
    at("waiting").classList.toggle("aside", id !== null);
    at("task").hidden = id === null;
    document.title = id === null ? TITLE : `${id} - ${TITLE}`;
    if (id === null) {
      at("task").replaceChildren();
      return;
    }
    const heading = el("h2", { id: "task-title", tabindex: "-1" }, `Task ${id}`);
    const inside = el("div", { "aria-live": "polite" }, el("p", { class: "empty" }, "Loading …"));
    at("task").replaceChildren(
      el("p", null, el("button", { type: "button", onclick: () => { location.hash = ""; } }, "Back to the latest"), " ",
        el("button", { type: "button", onclick: showTask }, "Reload")),
      heading, inside);
    heading.focus();
    const found = await lookUp(id);
    if (chosen() === id) inside.replaceChildren(...told(id, found));
  }

  async function lookUp(id) {
    for (let tries = 0; ; tries += 1) {
      try {
        const answer = await ask(`view/task?id=${encodeURIComponent(id)}`);
        if (answer.ok) return await answer.json();
        if (answer.status !== 503 || tries === 5) return { found: "refused", why: (await answer.text()).trim().slice(0, 200) };
      } catch {
        if (tries === 5) return { found: "refused", why: "no connection" };
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  // What is known of the task: from the judge's ledger if it is here, else from the findings and commands in this page.
  function told(id, found) {
    const latest = [...state.findings.values()].filter((finding) => finding.task?.id === id).reverse();
    if (found.found === "task") {
      const uids = new Set(found.findings.map((finding) => finding.uid));
      const findings = [...found.findings, ...latest.filter((finding) => !uids.has(finding.uid))]
        .sort((one, other) => rank(one.severity) - rank(other.severity) || one.first - other.first);
      const hint = found.compacted || found.credentials.some((one) => one.earlier)
        ? "Older events count in the findings, but are not listed." : null;
      return [taskDetail(rowOf(found, findings), findings, { rules: state.rules }), hint ? el("p", { class: "hint" }, hint) : ""];
    }
    const why = {
      elsewhere: `This task is judged in partition ${found.partition} of ${found.of}, which another instance has: `
        + (found.here?.length ? `this process has ${list(found.here)}. ` : "this process has none. ") + "That instance knows its history.",
      nothing: latest.some((finding) => finding.task?.candidates)
        ? "The credential was issued to one of these tasks, and nothing says to which."
        : "The judge stage does not know this task: it was never reported, or it is over and its state was removed.",
      "too much": "This task has too many events to show here while other readers wait.",
      refused: `The task could not be loaded: ${found.why}.`,
    }[found.found];
    const [row] = rowsOf(latest, [...state.commands.values()]);
    return [el("p", { class: "gap" }, why), row ? taskDetail(row, latest, { rules: state.rules }) : ""];
  }

  function list(numbers) {
    return numbers.length > 30 ? `${numbers.slice(0, 30).join(", ")} and ${numbers.length - 30} more` : numbers.join(", ");
  }

  // The row of the timeline: the evidence of the findings, and everything else that happened to each credential.
  function rowOf(found, findings) {
    const [row] = rowsOf(findings, []);
    const lanes = new Map((row?.credentials ?? []).map((lane) => [lane.id, lane]));
    const named = (piece) => JSON.stringify([piece.time, piece.type, piece.source, piece.id]);
    const evidence = new Set(findings.flatMap((finding) => finding.evidence.map(named)));
    const credentials = found.credentials.map(({ happened, earlier: _, unproved, ...credential }) => ({
      ...credential,
      dead: lanes.get(credential.id)?.dead,
      marks: [
        ...(lanes.get(credential.id)?.marks ?? []).filter((mark) => mark.kind !== "revoked"),
        ...happened.filter((piece) => piece.type !== "credential.issued" && !evidence.has(named(piece)))
          .map((piece) => ({ kind: KINDS[piece.type] ?? "other", time: piece.time, text: capital(sentenceOf(piece)) })),
        ...found.commands.filter((command) => command.credential === credential.id)
          .map((command) => ({ kind: "command", time: command.time, text: command.escalated ? "Revocation asked for again, escalated" : "Revocation asked for" })),
        ...unproved.map((said) => ({ kind: "other", ...said })),
        ...(credential.revoked === undefined || credential.revoked === lanes.get(credential.id)?.dead ? [] : [{ kind: "revoked", time: credential.revoked, text: "Revoked" }]),
      ],
    }));
    return { ...row, task: found.task, severity: row?.severity ?? "low", marks: row?.marks ?? [], credentials };
  }
  const KINDS = { log: "leak", "credential.used": "use" };

  at("gate").addEventListener("submit", (event) => {
    event.preventDefault();
    state.token = at("token").value.trim();
    at("token").value = "";
    follow();
    showTask();
  });
  at("approver").addEventListener("submit", (event) => event.preventDefault());
  // Without this the link would change the address, which holds the task.
  document.querySelector("a.skip").addEventListener("click", (event) => {
    event.preventDefault();
    at("main").focus();
  });
  window.addEventListener("hashchange", showTask);
  filter();
  showFindings();
  showCommands();
  showTask();
  follow();
}
