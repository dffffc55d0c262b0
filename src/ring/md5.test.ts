import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { SeededRng } from "../util/random.ts";
import { Md5 } from "./md5.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

it.each([
  ["", "d41d8cd98f00b204e9800998ecf8427e"],
  ["a", "0cc175b9c0f1b6a831c399e269772661"],
  ["message digest", "f96b697d7cb7938d525a2f31aaf161d0"],
])("MD5 of %j is the digest in RFC 1321", (message, digest) => {
  expect(hex(new Md5().digest(Buffer.from(message)))).toBe(digest);
});

it("MD5 equals OpenSSL's at every length up to three blocks", () => {
  const md5 = new Md5();
  const rng = new SeededRng(1);
  for (let size = 0; size <= 200; size++) {
    const message = Buffer.from(Array.from({ length: size }, () => rng.uint32() & 255));
    expect(hex(md5.digest(message))).toBe(createHash("md5").update(message).digest("hex"));
  }
});
