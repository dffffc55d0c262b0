const WORD = 0x1_0000_0000;

/** An unsigned number of 64 bits in two halves, to be built digit by digit. */
export class Word64 {
  /** Both halves are uint32. */
  hi = 0;
  lo = 0;

  clear(): void {
    this.hi = 0;
    this.lo = 0;
  }

  /** `this * factor + addend`, both below 2^16; what does not fit into 64 bits is lost. */
  timesPlus(factor: number, addend: number): void {
    const low = this.lo * factor + addend;
    this.lo = low >>> 0;
    this.hi = (this.hi * factor + Math.floor(low / WORD)) >>> 0;
  }
}
