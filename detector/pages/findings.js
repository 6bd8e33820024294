"use strict";
// One finding: its title, and once opened its evidence, what to do, and its taxonomies.
{
  const { el, time, period, counted, number, capital, badge, facts, span } = curfewd;
  const ACCEPTED_DAYS = 90;
  const MASK = /(‹[^‹›]{1,100}›)/;

  // The card of a finding. `rules` are the taxonomies by rule; `onTask(id)` is called when the task is asked for.
  // With `acceptable` it shows how to accept the finding.
  function findingCard(finding, { rules = {}, open = false, onTask, acceptable = false } = {}) {
    const card = el("details", { class: `finding ${finding.severity} ${finding.status}`, id: `finding-${finding.uid}`, open },
      el("summary", null,
        badge(finding.severity),
        el("h4", null, finding.title),
        el("p", { class: "meta" }, meta(finding))));
    // The inside is made when the card is first opened, so that ten thousand cards stay cheap.
    const fill = () => {
      if (card.open && card.childElementCount === 1) card.append(findingFacts(finding, { rules, onTask, acceptable }));
    };
    card.addEventListener("toggle", fill);
    fill();
    return card;
  }

  function meta(finding) {
    const parts = [finding.rule, period(finding.first, finding.last)];
    if (finding.count > 1) parts.push(`${number(finding.count)} times`);
    if (finding.task?.owner) parts.push(`owner ${finding.task.owner}`);
    if (finding.status !== "new") parts.push(finding.status);
    return parts.join(" · ");
  }

  // Everything known about a finding.
  function findingFacts(finding, { rules = {}, onTask, acceptable = false } = {}) {
    return el("div", { class: "inside" },
      el("p", null, restOf(finding)),
      el("h5", null, "What to do"),
      el("p", null, finding.advice),
      finding.resolution ? [el("h5", null, "Proved dead"), resolutionFacts(finding.resolution)] : null,
      el("h5", null, finding.count > 1 ? `Evidence, ${counted(finding.count, "piece")}` : "Evidence"),
      evidenceList(finding),
      finding.task || finding.credential ? el("div", { class: "columns" },
        finding.task && el("section", null, el("h5", null, "Task"), taskFacts(finding.task, onTask)),
        finding.credential && el("section", null, el("h5", null, "Credential"), credentialFacts(finding.credential))) : null,
      placesOf(rules[finding.rule]),
      acceptable && isAcceptable(finding) ? acceptance(finding) : null,
      el("p", { class: "uid" }, `Finding ${finding.uid}`, finding.fingerprint ? `, fingerprint ${finding.fingerprint}` : null));
  }

  // Without a deployment key the uid of a leaked secret does not last.
  function isAcceptable({ status, fingerprint }) {
    return status === "new" && !fingerprint?.startsWith("unkeyed-");
  }

  // Ready lines that accept the finding; who and why is for a person to fill in.
  function acceptance({ uid, rule, severity, title }) {
    const [today, last] = [0, ACCEPTED_DAYS].map((days) => new Date(Date.now() + days * 86400000).toISOString().slice(0, 10));
    const line = JSON.stringify({ uid, rule, severity, about: title, reason: "", by: "", added: today, expires: last });
    const entry = `# ${title}\n[[accept]]\nuid = "${uid}"\nseverity = "${severity}"\nreason = ""\nexpiry = ${last}T00:00:00Z\n`;
    return el("details", { class: "accept" },
      el("summary", null, "Accept this finding"),
      copyable("A line for the baseline. Fill in reason and by:", `${line}\n`),
      copyable("Or an entry for the configuration. Fill in the reason:", entry));
  }

  function copyable(label, text) {
    const shown = el("pre", { tabindex: "0", "aria-label": label }, el("code", null, text));
    const told = el("span", { role: "status" });
    const copy = async () => {
      try {
        await navigator.clipboard.writeText(text);
        told.textContent = " Copied.";
      } catch {
        document.getSelection().selectAllChildren(shown);
        told.textContent = " Selected: press Ctrl+C.";
      }
    };
    return [el("p", null, label, " ", el("button", { type: "button", onclick: copy }, "Copy"), told), shown];
  }

  // The message begins with the title, which is already shown above it.
  function restOf({ title, message }) {
    return message.startsWith(`${title}. `) ? message.slice(title.length + 2) : message;
  }

  function evidenceList(finding) {
    const hidden = finding.count - finding.evidence.length;
    return [
      el("ol", { class: "evidence" }, finding.evidence.map((piece) => evidenceItem(piece))),
      hidden > 0 ? el("p", { class: "hint" }, `${number(hidden)} more are not shown.`) : null,
    ];
  }

  function evidenceItem(piece) {
    const said = sentenceOf(piece);
    return el("li", { class: piece.severity },
      el("time", { datetime: new Date(piece.time).toISOString() }, time(piece.time)),
      el("div", null,
        el("p", null, said, said && piece.detail ? ": " : null, piece.detail ? el("strong", null, piece.detail) : null),
        piece.excerpt ? el("pre", null, el("code", null, masked(piece.excerpt))) : null,
        el("p", { class: "meta" }, placeOf(piece))));
  }

  // Such as `purge on queue/orders by runner-2 from 203.0.113.9, denied`.
  function sentenceOf(piece) {
    if (piece.type === "log") return "Shown in a log";
    if (piece.type !== "credential.used") return capital(piece.type.replace(".", " "));
    let text = piece.action ?? "Used";
    if (piece.resource) text += ` on ${piece.resource}`;
    if (piece.workload) text += ` by ${piece.workload}`;
    if (piece.task) text += ` for task ${piece.task}`;
    if (piece.address) text += ` from ${piece.address}`;
    return piece.outcome && piece.outcome !== "success" ? `${text}, ${piece.outcome}` : text;
  }

  // The position of a piece of evidence.
  function placeOf(piece) {
    const parts = [piece.source ?? ""];
    if (piece.line !== undefined) parts.push(`line ${piece.line}`);
    if (piece.partition !== undefined) parts.push(`partition ${piece.partition}`);
    if (piece.offset !== undefined) parts.push(`offset ${piece.offset}`);
    const place = [parts.join(" ").trim()];
    if (piece.type === "log") {
      if (piece.stream) place.push(piece.stream);
      if (piece.encodings) place.push(`encoded: ${piece.encodings.join(", ")}`);
    } else if (piece.id) place.push(piece.id);
    if (piece.agent) place.push(piece.agent);
    return place.filter(Boolean).join(" · ");
  }

  function masked(text) {
    return text.split(MASK).map((part) => (MASK.test(part) ? el("mark", null, part) : part));
  }

  function taskFacts(task, onTask) {
    const link = onTask ? el("button", { type: "button", class: "link", onclick: () => onTask(task.id) }, task.id) : task.id;
    const lasted = task.started !== undefined && task.ended !== undefined ? ` (after ${span(task.ended - task.started)})` : "";
    const ended = (task.lapsed ? "lease lapsed " : "") + (task.ended !== undefined ? time(task.ended) + lasted : "");
    return facts([
      ["Id", link],
      ["Candidates", task.candidates?.map((one) => one.id).join(", ")],
      ["Kind", task.kind],
      ["Owner", task.owner],
      ["Workload", task.workload],
      ["Parent", task.parent],
      ["Started", task.started !== undefined ? time(task.started) : null],
      ["Ended", task.ended !== undefined ? ended : task.started !== undefined ? "no end known" : null],
      ["Outcome", task.outcome],
      ["Deadline", task.deadline !== undefined ? time(task.deadline) : null],
    ]);
  }

  function credentialFacts(credential) {
    const at = (value) => (value !== undefined ? time(value) : null);
    return facts([
      ["Id", credential.id],
      ["Kind", credential.kind],
      ["Known as", credential.identifiers?.join(", ")],
      ["Issued", at(credential.issued)],
      ["Valid from", at(credential.not_before)],
      ["Expires", at(credential.expires) ?? "never"],
      ["Revoked", at(credential.revoked) ?? "not known"],
    ]);
  }

  // The outcome of the command that resolved a finding. `detail` says what was done, and who approved it.
  function resolutionFacts({ time: at, target, outcome, proof, detail, command_id: command }) {
    return facts([
      ["When", time(at)],
      ["Where", target],
      ["How it is known", proof],
      ["What was done", outcome === "gone-already" ? [detail, "it was dead already"].filter(Boolean).join("; ") : detail],
      ["Command", command],
    ]);
  }

  function placesOf(places) {
    if (!places?.length) return null;
    return [
      el("h5", null, "Taxonomies"),
      el("ul", { class: "places" }, places.map(([taxonomy, id, name]) =>
        el("li", null, el("span", null, taxonomy), " ", el("b", null, id), " ", name))),
    ];
  }

  Object.assign(curfewd, { findingCard, findingFacts, taskFacts, credentialFacts, sentenceOf, placeOf });
}
