"use strict";
// The rows of a timeline, from findings and commands: one row for each task, with its credentials and their marks.
{
  const { SEVERITIES, capital, counted } = curfewd;
  const KINDS = { log: "leak", "credential.used": "use" };

  const rank = (severity) => SEVERITIES.indexOf(severity);

  // Rows with the worst first. Evidence of several findings is one mark, with the worst severity.
  function rowsOf(findings, commands) {
    const rows = new Map();
    const rowOf = (task) => {
      const id = task?.id ?? "";
      if (!rows.has(id)) {
        rows.set(id, { task: task ?? { id: "" }, severity: "low", counts: SEVERITIES.map(() => 0), first: Infinity, lanes: new Map(), marks: [], seen: new Map() });
      }
      // An unregistered secret has only the id of the task that showed it; another finding may know more.
      const row = rows.get(id);
      row.task = { ...row.task, ...task };
      return row;
    };
    for (const finding of findings) {
      const row = rowOf(finding.task ?? (finding.credential ? { id: finding.credential.task } : null));
      const lane = finding.credential ? laneOf(row, finding.credential) : row;
      if (finding.resolution && finding.credential) end(lane, finding);
      if (rank(finding.severity) < rank(row.severity)) row.severity = finding.severity;
      row.counts[rank(finding.severity)] += 1;
      row.first = Math.min(row.first, finding.first);
      for (const piece of finding.evidence) note(lane, piece, finding);
    }
    for (const command of commands) {
      const lane = rows.get(command.task)?.lanes.get(command.credential);
      if (!lane) continue;
      const how = command.escalated ? "Revocation asked for again, escalated" : "Revocation asked for";
      lane.marks.push({ kind: "command", time: command.time, severity: command.severity, text: `${how}: ${command.reasons.join(", ")}` });
    }
    return [...rows.values()].sort(worse).map(({ task, severity, counts, marks, lanes }) => ({
      task, severity, counts, marks, credentials: [...lanes.values()].map(({ seen, ...lane }) => lane),
    }));
  }

  // By the number of critical findings, then of high ones, …, then the earliest first.
  function worse(one, other) {
    const differs = one.counts.findIndex((count, index) => count !== other.counts[index]);
    return differs < 0 ? one.first - other.first : other.counts[differs] - one.counts[differs];
  }

  function laneOf(row, credential) {
    if (!row.lanes.has(credential.id)) {
      const marks = credential.revoked === undefined ? [] : [{ kind: "revoked", time: credential.revoked, text: "Revoked" }];
      row.lanes.set(credential.id, { ...credential, marks, seen: new Map() });
    }
    return row.lanes.get(credential.id);
  }

  // The credential was proved dead: its line ends there. The event that says "revoked" at that very moment is the same news.
  function end(lane, finding) {
    const { time, target, proof, detail } = finding.resolution;
    if (lane.dead !== undefined) return;
    lane.dead = time;
    const told = [proof, detail].filter(Boolean).join("; ");
    lane.marks = lane.marks.filter((mark) => mark.kind !== "revoked" || mark.time !== time);
    lane.marks.push({ kind: "dead", time, text: `Proved dead${target ? ` at ${target}` : ""}${told ? `: ${told}` : ""}`, finding });
  }

  function note(lane, piece, finding) {
    const key = JSON.stringify([piece.time, piece.type, piece.source, piece.id]);
    const known = lane.seen.get(key);
    if (known === undefined) {
      const said = curfewd.sentenceOf(piece);
      const text = piece.detail ? `${capital(said)}: ${piece.detail}` : capital(said);
      const mark = { kind: KINDS[piece.type] ?? "other", time: piece.time, severity: piece.severity, text: `${text} (${finding.rule})`, finding };
      lane.seen.set(key, mark);
      lane.marks.push(mark);
    } else if (rank(piece.severity) < rank(known.severity)) {
      Object.assign(known, { severity: piece.severity, finding });
    }
  }

  // The label of a cluster of marks: `3 uses, 1 leak`.
  function marksSaid(marks) {
    const counts = new Map();
    for (const mark of marks) counts.set(mark.kind, (counts.get(mark.kind) ?? 0) + 1);
    const nouns = { use: "use", leak: "leak", command: "revocation asked for", other: "other" };
    return [...counts].map(([kind, count]) => counted(count, nouns[kind], kind === "use" || kind === "leak" ? undefined : nouns[kind])).join(", ");
  }

  Object.assign(curfewd, { rowsOf, marksSaid, rank });
}
