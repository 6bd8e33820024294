"use strict";
// One task with all that is known of it: facts, its timeline, its findings.
{
  const { el, capital, counted, findingCard, taskFacts, credentialFacts, timeline } = curfewd;

  // `level` is that of its heading, null for none. `row` is as `timeline` takes it; the node fills itself once it is in the page.
  function taskDetail(row, findings, { rules = {}, level = "h3" } = {}) {
    const chart = timeline({ label: `Timeline of task ${row.task.id}` });
    const node = el("article", { class: "task-detail" },
      level ? el(level, null, `Task ${row.task.id}`) : null,
      taskFacts(row.task),
      chart.node,
      row.credentials.map((credential) => el("section", null,
        el("h4", null, `${capital(credential.kind ?? "credential")} ${credential.id}`),
        credentialFacts(credential))),
      findings.length
        ? [el("p", { class: "hint" }, counted(findings.length, "finding")), findings.map((one) => findingCard(one, { rules }))]
        : el("p", { class: "empty" }, "No finding about this task."));
    chart.show([row]);
    return node;
  }

  curfewd.taskDetail = taskDetail;
}
