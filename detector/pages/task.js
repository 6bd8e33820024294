"use strict";
// One task: facts, timeline, credentials, findings.
{
  const { el, capital, counted, findingCard, taskFacts, credentialFacts, timeline } = curfewd;

  // The page has its heading, of level 2. `row` is as `timeline` takes it. The node fills itself once it is in the page.
  function taskDetail(row, findings, { rules = {} } = {}) {
    const chart = timeline({ label: `Timeline of task ${row.task.id}` });
    const node = el("article", { class: "task-detail" },
      taskFacts(row.task),
      chart.node,
      row.credentials.map((credential) => el("section", null,
        el("h3", null, `${capital(credential.kind ?? "credential")} ${credential.id}`),
        credentialFacts(credential))),
      findings.length
        ? [el("h3", null, counted(findings.length, "finding")), findings.map((one) => findingCard(one, { rules }))]
        : el("p", { class: "empty" }, "No finding about this task."));
    chart.show([row]);
    return node;
  }

  curfewd.taskDetail = taskDetail;
}
