import { describe, expect, it } from "vitest";
import { SeededRng } from "../../util/random.ts";
import { AllocationError, type RingMember } from "./allocation.ts";
import { allocateNoReplication } from "./cassandra-no-replication.ts";
import { allocateReplicationAware, type CassandraUnit } from "./cassandra-replication-aware.ts";
import { allocateCassandra } from "./cassandra.ts";
import { dealOverRacks, generateTokens } from "./generate-tokens.ts";
import { MURMUR3_SPACE, RANDOM_SPACE } from "./token-space.ts";

interface Growth {
  readonly nodes: number;
  readonly tokens: number;
  readonly replicas: number;
  readonly racks?: number;
  readonly first?: bigint;
}

/** Adds unit after unit; the first token of the ring is given. */
function grow(allocate: typeof allocateReplicationAware, growth: Growth): string[] {
  const units: CassandraUnit[] = [];
  for (let index = 0; index < growth.nodes; index++) {
    const newGroup = String(growth.racks === undefined ? index : index % growth.racks);
    const tokens = allocate({
      space: MURMUR3_SPACE,
      units,
      replicas: growth.replicas,
      newGroup,
      tokenCount: growth.tokens,
      firstToken: () => growth.first ?? 0n,
    });
    units.push({ tokens, group: newGroup });
  }
  return units.map(({ tokens }) => tokens.join(" "));
}

const FIRST_FOUR = [
  "-7238336564981468699 -2891044381384074837 0 6398057549486183482",
  "-9058140271934253166 -4535703533385585201 2346997151487962503 3887345331548864318",
  "-5703859461876024343 -1163491348414547996 5427509613774252528 8214979594001524185",
  "-8148238418457860933 -3713373957384830019 1173498575743981251 7306518571743853833",
];

describe("Cassandra's replication-aware allocator gives Cassandra's tokens", () => {
  it("for RF 3 and 4 tokens", () => {
    const ring = grow(allocateReplicationAware, { nodes: 24, tokens: 4, replicas: 3 });
    expect(ring.slice(0, 4)).toEqual(FIRST_FOUR);
    expect(ring[4]).toBe(
      "-6471098013428746521 -2027267864899311417 1760247863615971877 4657427472661558423",
    );
    expect(ring[5]).toBe(
      "-581745674207273998 3117171241518413410 5042468543217905475 8801791697888411317",
    );
    expect(ring[22]).toBe(
      "-8489451613511508021 -7352074296666017729 -5557839970814719451 -1018054929862729497",
    );
    expect(ring[23]).toBe(
      "2539540673995575229 5548828105738243897 7874306710654897803 8948494723860133100",
    );
  });

  it("for RF 3 and one token", () => {
    expect(grow(allocateReplicationAware, { nodes: 8, tokens: 1, replicas: 3 })).toEqual([
      "0",
      "-7238460522499227497",
      "6810404428128748475",
      "-3619230261249613749",
      "3405202214064374237",
      "9009343989669536296",
      "-1809615130624806875",
      "5107803321096561356",
    ]);
  });

  it("for RF 2 and two tokens", () => {
    expect(grow(allocateReplicationAware, { nodes: 5, tokens: 2, replicas: 2 })).toEqual([
      "-7238336564981468699 0",
      "-2747708923281746347 6810479747496249059",
      "3405239873748124529 9009443628112165987",
      "-4993022744131607523 1702619936874062264",
      "-1373854461640873174 5107859810622186794",
    ]);
  });

  it("for four racks", () => {
    const ring = grow(allocateReplicationAware, { nodes: 6, tokens: 4, replicas: 3, racks: 4 });
    expect(ring).toEqual([
      ...FIRST_FOUR,
      "-5119781497630804772 3117171241518413410 4657427472661558423 8801791697888411317",
      "-6471098013428746521 -2027267864899311417 -581745674207273998 6852288060615018657",
    ]);
  });

  it("for another first token", () => {
    const first = 1234567890123456789n;
    expect(grow(allocateReplicationAware, { nodes: 3, tokens: 4, replicas: 3, first })).toEqual([
      "-6003768674858011910 -1656476491260618048 1234567890123456789 7632625439609640271",
      "-7823572381810796377 -3301135643262128412 3581565041611419292 5121913221672321107",
      "-8997196589584570641 -4469291571752567554 71076541708908792 6662077503897709317",
    ]);
  });
});

describe("Cassandra's allocator without replication gives Cassandra's tokens", () => {
  it("for 4 tokens", () => {
    expect(grow(allocateNoReplication, { nodes: 4, tokens: 4, replicas: 1 })).toEqual([
      FIRST_FOUR[0],
      "-5306206705604849397 -1606135767435597260 2843581133104970152 8535990864704805238",
      "-8444669650680905200 1169988095417867443 4793561292134751115 7277707684480487334",
      "-5871911078040020553 -4280375220442341763 -923935393921295032 3868400248311056343",
    ]);
  });

  it("for one token", () => {
    expect(grow(allocateNoReplication, { nodes: 6, tokens: 1, replicas: 1 })).toEqual([
      "0",
      "6148914691236517881",
      "-7515340178177964924",
      "-4383948437270479814",
      "2664529699535824517",
      "8274465448700993173",
    ]);
  });
});

describe("the ring that Cassandra balances", () => {
  const rng = new SeededRng(1);
  const member = (id: number, rack: string, dc = "dc1"): RingMember => ({
    id: String(id),
    dc,
    rack,
    weight: 1,
    tokens: [BigInt(id) * 1000n, BigInt(id) * 1000n + 7n],
  });
  const request = (members: RingMember[], rack: string, rf: number) => ({
    space: MURMUR3_SPACE,
    members,
    joining: { id: "new", dc: "dc1", rack, weight: 1 },
    tokenCount: 2,
    replication: { kind: "network", rf: { dc1: rf } } as const,
    rng,
  });

  it("is refused with more than one rack and fewer than RF", () => {
    const members = [member(1, "a"), member(2, "b"), member(3, "a")];
    expect(() => allocateCassandra(request(members, "a", 3))).toThrow(
      expect.objectContaining({ name: AllocationError.name, code: "RACKS_BELOW_RF" }),
    );
  });

  it("is the whole datacenter for the first member of a new rack", () => {
    const members = [member(1, "a"), member(2, "b"), member(3, "a")];
    const asOneRack = members.map((each) => ({ ...each, rack: "c" }));
    expect(allocateCassandra(request(members, "c", 3))).toEqual(
      allocateCassandra(request(asOneRack, "c", 3)),
    );
  });

  it("is the own rack when there are as many racks as replicas", () => {
    const members = [member(1, "a"), member(2, "b"), member(3, "c"), member(4, "c")];
    const ownRack = members.filter(({ rack }) => rack === "c");
    expect(allocateCassandra(request(members, "c", 3))).toEqual(
      allocateCassandra(request(ownRack, "c", 1)),
    );
  });

  it("does not see the other datacenter, but steps over its tokens", () => {
    const local = [member(1, "a"), member(2, "a"), member(3, "a")];
    const alone = allocateCassandra(request(local, "a", 3));
    const remote = { ...member(9, "a", "dc2"), tokens: [alone[0]!, alone[0]! + 1n] };
    expect(allocateCassandra(request([...local, remote], "a", 3))).toEqual([
      alone[0]! + 2n,
      alone[1]!,
    ]);
  });
});

describe("tokens for a ring that does not exist yet", () => {
  it("deal members over racks in turn", () => {
    expect(dealOverRacks([3, 1, 2])).toEqual([0, 1, 2, 0, 2, 0]);
  });

  it("are the allocator's, member after member, with the same first token", () => {
    const ring = generateTokens({
      space: MURMUR3_SPACE,
      rf: 3,
      tokenCount: 4,
      membersPerRack: [6],
      rng: { uint32: () => 0 },
    });
    expect(ring.slice(0, 4).map(({ tokens }) => tokens.join(" "))).toEqual(FIRST_FOUR);
  });

  it("exist on the Random partitioner's ring too", () => {
    const ring = generateTokens({
      space: RANDOM_SPACE,
      rf: 2,
      tokenCount: 3,
      membersPerRack: [2, 2],
      rng: new SeededRng(5),
    });
    const tokens = ring.flatMap((each) => each.tokens);
    expect(new Set(tokens).size).toBe(12);
    expect(tokens.every((token) => RANDOM_SPACE.isValid(token))).toBe(true);
  });

  it("need as many members as replicas", () => {
    const ring = { space: MURMUR3_SPACE, rf: 3, tokenCount: 4, rng: new SeededRng(1) };
    expect(() => generateTokens({ ...ring, membersPerRack: [1, 1] })).toThrow(
      expect.objectContaining({ code: "REPLICATION" }),
    );
  });
});
