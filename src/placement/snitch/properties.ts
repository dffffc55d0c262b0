/**
 * Java's `.properties` format, as the files of the snitches are written in: `key=value`, `key: value`
 * or `key value`; comments from `#` or `!`; a backslash escapes, also a colon in a key (IPv6
 * addresses) and the end of a line, which then goes on in the next. A later entry wins.
 *
 * Source: Java `java.util.Properties.load`.
 */
export function parseProperties(text: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const line of logicalLines(text)) {
    const match = /^((?:\\.|[^\\=:\s])*)\s*[=:]?\s*(.*)$/s.exec(line);
    if (match !== null) properties.set(unescape(match[1] ?? ""), unescape(match[2] ?? ""));
  }
  return properties;
}

/** Lines without comments, blanks and leading space, continued ones joined. */
function logicalLines(text: string): readonly string[] {
  const lines: string[] = [];
  let pending: string | undefined;
  for (const natural of text.split(/\r\n|\r|\n/)) {
    const line = natural.trimStart();
    // Inside a continued line a # is text.
    if (pending === undefined && (line === "" || line.startsWith("#") || line.startsWith("!"))) {
      continue;
    }
    const joined: string = (pending ?? "") + line;
    const isContinued = (/\\+$/.exec(line)?.[0].length ?? 0) % 2 === 1;
    pending = isContinued ? joined.slice(0, -1) : undefined;
    if (!isContinued) lines.push(joined);
  }
  return pending === undefined ? lines : [...lines, pending];
}

const CONTROLS: Readonly<Record<string, string>> = { t: "\t", n: "\n", r: "\r", f: "\f" };

function unescape(text: string): string {
  return text.replaceAll(/\\(?:u([\da-fA-F]{4})|(.))/gs, (_, code?: string, letter = "") =>
    code === undefined
      ? (CONTROLS[String(letter)] ?? String(letter))
      : String.fromCharCode(Number.parseInt(code, 16)),
  );
}
