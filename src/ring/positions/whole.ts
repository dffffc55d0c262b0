import type { Uint32Source } from "../../util/random.ts";
import { Murmur3 } from "../murmur3.ts";
import { randomToken } from "../tokens.ts";
import type { KeyHasher, TokenPositions } from "./token-positions.ts";

/** Murmur3: a token is its own position. */
export class WholePositions implements TokenPositions<bigint> {
  createHasher(): KeyHasher {
    return new Murmur3();
  }

  positionOf(token: bigint): bigint {
    return token;
  }

  requireOwnable(): void {
    // Every token has a grain of its own.
  }

  random(rng: Uint32Source): bigint {
    return randomToken(rng);
  }

  tokenAt(position: bigint): bigint {
    return position;
  }
}
