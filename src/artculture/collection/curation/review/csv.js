// CSV as artculture.utils.spreadsheets writes it: an apostrophe keeps a spreadsheet from taking a cell for a formula.

const FORMULA = /^'*[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/;
const PLAIN_NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const protectedCell = (cell) => (FORMULA.test(cell) && !PLAIN_NUMBER.test(cell) ? `'${cell}` : cell);
const restoredCell = (cell) => (cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell);

function toCsv(rows) {
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return rows.map((row) => row.map(protectedCell).map(quoted).join(",") + "\n").join("");
}

function parseCsv(text) {
  const rows = [[""]];
  let quoted = false;
  text = text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
  for (let at = 0; at < text.length; at++) {
    const row = rows[rows.length - 1];
    const letter = text[at];
    if (quoted && letter === '"' && text[at + 1] === '"') {
      row[row.length - 1] += '"';
      at++;
    } else if (letter === '"') {
      quoted = !quoted;
    } else if (!quoted && letter === ",") {
      row.push("");
    } else if (!quoted && letter === "\n") {
      rows.push([""]);
    } else {
      row[row.length - 1] += letter;
    }
  }
  return rows.filter((row) => row.length > 1 || row[0] !== "").map((row) => row.map(restoredCell));
}
