// A statement, set in lines and with its keywords marked.

import { h } from "./dom.js";

const TOKEN = /"(?:[^"]|"")*"|'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_]*|\s+|./gsu;
const KEYWORDS = new Set(
  `SELECT FROM WHERE AND OR NOT IN IS NULL AS ON JOIN INNER LEFT RIGHT FULL OUTER CROSS LATERAL GROUP ORDER BY HAVING LIMIT
   OFFSET DISTINCT UNION ALL EXCEPT INTERSECT INSERT INTO VALUES UPDATE SET DELETE RETURNING WITH CASE WHEN THEN ELSE END
   ASC DESC EXISTS BETWEEN LIKE ILIKE FOR COUNT SUM MIN MAX AVG USING CONFLICT DO NOTHING COPY`.split(/\s+/),
);
const LINES = new Set("FROM WHERE GROUP ORDER HAVING LIMIT OFFSET UNION VALUES SET RETURNING INNER LEFT RIGHT CROSS FULL FOR".split(" "));

export function sql(text) {
  const code = h("code", { class: "sql" });
  let depth = 0;
  let first = true;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "(") depth += 1;
    if (token === ")") depth -= 1;
    const word = token.toUpperCase();
    if (!first && depth === 0 && LINES.has(word)) {
      const end = code.lastChild;
      if (end?.nodeType === Node.TEXT_NODE && !end.data.trim()) end.data = "\n";
    }
    if (KEYWORDS.has(word)) code.append(h("span", { class: "keyword" }, token));
    else if (token.startsWith('"')) code.append(h("span", { class: "name" }, token));
    else if (code.lastChild?.nodeType === Node.TEXT_NODE && token.trim() && code.lastChild.data.trim()) code.lastChild.data += token;
    else code.append(token);
    first = false;
  }
  // Long ones scroll, by keyboard too.
  return h("pre", { class: "query", tabindex: "0" }, code);
}

export function verb(text) {
  return (/^\s*\(*\s*([a-z]+)/i.exec(text)?.[1] ?? "").toUpperCase();
}
