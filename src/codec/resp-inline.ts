/**
 * Inline commands: a line of words as people type it into telnet, with Redis's quoting.
 *
 * Words are divided by white space. "..." knows \n \r \t \b \a \" \\ and \xHH, '...' knows \' only.
 * A closing quote must be followed by white space or the end of the line.
 */

const QUOTE = 0x22;
const APOSTROPHE = 0x27;
const BACKSLASH = 0x5c;
const LOWER_X = 0x78;

const ESCAPES = new Map<number, number>([
  [0x6e, 0x0a],
  [0x72, 0x0d],
  [0x74, 0x09],
  [0x62, 0x08],
  [0x61, 0x07],
]);

/** The words of a line, unquoted, or undefined when its quotes do not balance. */
export function splitInline(line: Uint8Array): Uint8Array[] | undefined {
  const words: Uint8Array[] = [];
  let position = 0;
  for (;;) {
    while (position < line.length && isSpace(line[position])) position++;
    if (position >= line.length) return words;
    const word: number[] = [];
    position = readWord(line, position, word);
    if (position < 0) return undefined;
    words.push(Uint8Array.from(word));
  }
}

/** Appends the word at `position` to `word`; the position after it, or -1 for unbalanced quotes. */
function readWord(line: Uint8Array, position: number, word: number[]): number {
  let next = position;
  while (next < line.length && !isSpace(line[next])) {
    const byte = line[next] ?? 0;
    if (byte === QUOTE || byte === APOSTROPHE) return readQuoted(line, next, word);
    word.push(byte);
    next++;
  }
  return next;
}

function readQuoted(line: Uint8Array, position: number, word: number[]): number {
  const quote = line[position];
  let next = position + 1;
  while (next < line.length) {
    const byte = line[next] ?? 0;
    if (byte === quote) {
      const isEnd = next + 1 === line.length || isSpace(line[next + 1]);
      return isEnd ? next + 1 : -1;
    }
    if (byte === BACKSLASH && next + 1 < line.length) {
      next = quote === QUOTE ? readEscape(line, next, word) : readApostrophe(line, next, word);
    } else {
      word.push(byte);
      next++;
    }
  }
  return -1;
}

function readEscape(line: Uint8Array, position: number, word: number[]): number {
  const byte = line[position + 1] ?? 0;
  if (byte === LOWER_X) {
    const high = hexDigit(line[position + 2]);
    const low = hexDigit(line[position + 3]);
    if (high >= 0 && low >= 0) {
      word.push(high * 16 + low);
      return position + 4;
    }
  }
  word.push(ESCAPES.get(byte) ?? byte);
  return position + 2;
}

function readApostrophe(line: Uint8Array, position: number, word: number[]): number {
  if (line[position + 1] === APOSTROPHE) {
    word.push(APOSTROPHE);
    return position + 2;
  }
  word.push(BACKSLASH);
  return position + 1;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}
