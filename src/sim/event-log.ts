/**
 * What happened, as one number: every event goes into a rolling hash, so two runs can be compared
 * without keeping either. Equal hashes mean that both did the same things in the same order at the
 * same virtual times. With a `print` function the events are shown as well.
 */

const numbers = (): { float: Float64Array; words: Uint32Array } => {
  const float = new Float64Array(1);
  return { float, words: new Uint32Array(float.buffer) };
};

export class EventLog {
  readonly #scratch = numbers();
  readonly #print: ((line: string) => void) | undefined;
  #first = 0x811c_9dc5 | 0;
  #second = 0x2545_f491 | 0;

  constructor(print?: (line: string) => void) {
    this.#print = print;
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    return hex(this.#first) + hex(this.#second);
  }

  /** Notes an event; `fields` are numbers and short texts. */
  record(atMs: number, event: string, fields: readonly (string | number)[] = []): void {
    this.#number(atMs);
    this.#text(event);
    for (const field of fields) {
      if (typeof field === "number") this.#number(field);
      else this.#text(field);
    }
    this.#print?.(`${atMs.toFixed(3).padStart(11)} ${event} ${fields.join(" ")}`);
  }

  /** Notes bytes without showing them. */
  bytes(bytes: Uint8Array): void {
    let first = this.#first;
    for (let at = 0; at < bytes.length; at++) {
      first = Math.imul(first ^ (bytes[at] as number), 0x0100_0193);
    }
    this.#first = first;
    this.#word(bytes.length);
  }

  #text(text: string): void {
    for (let at = 0; at < text.length; at++) this.#word(text.charCodeAt(at));
    this.#word(text.length);
  }

  #number(value: number): void {
    const { float, words } = this.#scratch;
    float[0] = value;
    this.#word(words[0] as number);
    this.#word(words[1] as number);
  }

  #word(word: number): void {
    this.#first = Math.imul(this.#first ^ word, 0x0100_0193);
    const mixed = Math.imul(this.#second ^ this.#first, 0x5bd1_e995);
    this.#second = mixed ^ (mixed >>> 15);
  }
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
