/**
 * Whether a starting member stands where the ring has it: datacenter, rack and weight.
 *
 * They decide who holds what, so the ring changes them by a plan, and the configuration follows. A member
 * that was down meanwhile starts with the new configuration and its old layouts; so a difference is no
 * error before there was time to hear of a newer one.
 */
import type { LayoutMember } from "../layout/layout.ts";
import type { Clock, Logger, Timer } from "../model/deps.ts";

type Place = Pick<LayoutMember, "dc" | "rack" | "weight">;

/** For so long a newer layout may still come. */
const GRACE_MS = 5000;

export class PlaceCheck {
  readonly #deps: { readonly clock: Clock; readonly logger: Logger };
  readonly #onFailure: (error: Error) => void;
  #timer: Timer | undefined;

  constructor(
    deps: { readonly clock: Clock; readonly logger: Logger },
    onFailure: (error: Error) => void,
  ) {
    this.#deps = deps;
    this.#onFailure = onFailure;
  }

  /** True if both are the same; if they stay different, the failure is told after a while. */
  passes(ring: Place, configured: Place): boolean {
    const isSame =
      ring.dc === configured.dc &&
      ring.rack === configured.rack &&
      ring.weight === configured.weight;
    if (isSame) {
      this.stop();
      return true;
    }
    const reason =
      `in the ring this member has ${inWords(ring)}, in its configuration ${inWords(configured)}; ` +
      "change the ring first: dynaring plan --help";
    if (this.#timer === undefined) this.#deps.logger.warn("member.place-differs", { reason });
    this.#timer ??= this.#deps.clock.setTimer(GRACE_MS, () => this.#onFailure(new Error(reason)));
    return false;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}

function inWords({ dc, rack, weight }: Place): string {
  return `dc ${dc}, rack ${rack}, weight ${weight}`;
}
