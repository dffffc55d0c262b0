import { describe, expect, it } from "vitest";
import { canonicalAddress } from "./address.ts";
import { azureLocation, ec2Location, googleLocation } from "./cloud.ts";
import { SIMPLE_LOCATION, inferLocation } from "./location.ts";
import { parseProperties } from "./properties.ts";
import { locate, movedMembers, parseTopologyFile } from "./property-file.ts";
import { orderByProximity, orderByScore } from "./proximity.ts";
import { locationOfRackdcFile, parseRackdcFile } from "./rackdc-file.ts";

describe("a properties file", () => {
  it("has comments, three separators and space around them", () => {
    const text = "# one\n! two\n\n  a=1\nb : 2\nc 3\nd = x = y\r\ne\n";
    expect([...parseProperties(text)]).toEqual([
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
      ["d", "x = y"],
      ["e", ""],
    ]);
  });

  it("escapes separators, control characters and code points", () => {
    const properties = parseProperties(String.raw`fe80\:\:1=DC\u0031\tx\\y`);
    expect([...properties]).toEqual([["fe80::1", "DC1\tx\\y"]]);
  });

  it("continues lines that end in an odd number of backslashes", () => {
    const properties = parseProperties("a=1,\\\n   2\nb=x\\\\\nc=3\\");
    expect([...properties]).toEqual([
      ["a", "1,2"],
      ["b", "x\\"],
      ["c", "3"],
    ]);
  });

  it("lets a later entry win", () => {
    expect(parseProperties("a=1\na=2").get("a")).toBe("2");
  });
});

describe("RackInferringSnitch", () => {
  it("reads datacenter and rack from the second and third octet", () => {
    expect(inferLocation("10.20.114.15")).toEqual({ dc: "20", rack: "114" });
  });

  it.each(["10.20.114", "10.300.1.1", "fe80::1", "localhost", ""])("refuses %j", (address) => {
    expect(() => inferLocation(address)).toThrow(
      expect.objectContaining({ name: "SnitchError", value: address }),
    );
  });
});

describe("PropertyFileSnitch", () => {
  const file = parseTopologyFile(`
    # members
    175.56.12.105=DC1:RAC1
    /120.53.24.101 = DC2 : RAC2
    fe80\\:0\\:0\\:0\\:202\\:b3ff\\:fe1e\\:8329=DC1:RAC3
    10.0.0.1=DC3
    default=DC1:r1
  `);

  it("finds members by address, however an IPv6 address is spelt", () => {
    expect(locate(file, "175.56.12.105")).toEqual({ dc: "DC1", rack: "RAC1" });
    expect(locate(file, "120.53.24.101")).toEqual({ dc: "DC2", rack: "RAC2" });
    expect(locate(file, "FE80::0202:b3ff:fe1e:8329")).toEqual({ dc: "DC1", rack: "RAC3" });
  });

  it("takes an entry without both parts as default, default", () => {
    expect(locate(file, "10.0.0.1")).toEqual({ dc: "default", rack: "default" });
  });

  it("gives all others the default, and an error where there is none", () => {
    expect(locate(file, "1.2.3.4")).toEqual({ dc: "DC1", rack: "r1" });
    expect(() => locate(parseTopologyFile("10.0.0.1=a:b"), "1.2.3.4")).toThrow(
      expect.objectContaining({ source: "cassandra-topology.properties", value: "1.2.3.4" }),
    );
  });

  it("tells which live members a new file would move", () => {
    const before = parseTopologyFile("10.0.0.1=a:1\n10.0.0.2=a:2\n10.0.0.3=a:3\ndefault=a:4");
    const after = parseTopologyFile("10.0.0.1=a:1\n10.0.0.2=b:2\n10.0.0.3=a:3\n");
    const live = ["10.0.0.1", "10.0.0.2", "10.0.0.9"];
    expect(movedMembers(before, after, live)).toEqual(["10.0.0.2", "10.0.0.9"]);
    expect(movedMembers(before, before, live)).toEqual([]);
  });
});

it.each([
  ["10.0.0.1", "10.0.0.1"],
  ["Node1.Example", "node1.example"],
  ["::1", "0:0:0:0:0:0:0:1"],
  ["::", "0:0:0:0:0:0:0:0"],
  ["2001:DB8::00ff:1", "2001:db8:0:0:0:0:ff:1"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
])("the address %j has one spelling", (address, canonical) => {
  expect(canonicalAddress(address)).toBe(canonical);
});

describe("GossipingPropertyFileSnitch", () => {
  it("reads datacenter, rack and its other settings", () => {
    const file = parseRackdcFile("dc= DC1 \nrack=RAC1\nprefer_local=true\ndc_suffix=_1\n");
    expect(file).toEqual({
      dc: "DC1",
      rack: "RAC1",
      preferLocal: true,
      dcSuffix: "_1",
      ec2NamingScheme: "standard",
    });
    expect(locationOfRackdcFile(file)).toEqual({ dc: "DC1", rack: "RAC1" });
  });

  it.each([
    ["rack=r1", "cassandra-rackdc.properties, dc"],
    ["dc=DC1\nrack=", "cassandra-rackdc.properties, rack"],
  ])("needs both: %j", (text, source) => {
    expect(() => locationOfRackdcFile(parseRackdcFile(text))).toThrow(
      expect.objectContaining({ name: "SnitchError", source }),
    );
  });

  it("refuses a naming scheme that it does not know", () => {
    expect(() => parseRackdcFile("ec2_naming_scheme=new")).toThrow(/standard or legacy/);
  });
});

describe("the cloud snitches", () => {
  it.each([
    ["us-east-1a", "standard", "us-east-1", "us-east-1a"],
    ["us-west-2c", "standard", "us-west-2", "us-west-2c"],
    ["us-east-1ab", "standard", "us-east-1", "us-east-1ab"],
    ["us-east-1a", "legacy", "us-east", "1a"],
    ["us-east-2d", "legacy", "us-east-2", "2d"],
    ["asia-1a", "legacy", "asia", "1a"],
  ] as const)("read the EC2 zone %s by %s names", (zone, ec2NamingScheme, dc, rack) => {
    expect(ec2Location(zone, { dcSuffix: "", ec2NamingScheme })).toEqual({ dc, rack });
    expect(ec2Location(zone, { dcSuffix: "_x", ec2NamingScheme }).dc).toBe(`${dc}_x`);
  });

  it("read Google zones, with or without their path", () => {
    expect(googleLocation("us-central1-a", "")).toEqual({ dc: "us-central1", rack: "a" });
    expect(googleLocation("projects/1/zones/asia-east1-b", "_2")).toEqual({
      dc: "asia-east1_2",
      rack: "b",
    });
  });

  it("read Azure's location, and the zone or else the fault domain", () => {
    expect(azureLocation({ location: "westeurope", zone: "2" }, "")).toEqual({
      dc: "westeurope",
      rack: "rack-2",
    });
    expect(azureLocation({ location: "x", zone: "", platformFaultDomain: "5" }, "")).toEqual({
      dc: "x",
      rack: "rack-5",
    });
    expect(azureLocation({}, "")).toEqual({ dc: "UNKNOWN-DC", rack: "rack-UNKNOWN-RACK" });
  });

  it("refuse names that have no zone in them", () => {
    const options = { dcSuffix: "", ec2NamingScheme: "standard" } as const;
    expect(() => ec2Location("useast", options)).toThrow(/such as us-east-1a/);
    expect(() => googleLocation("zone", "")).toThrow(/such as us-central1-a/);
  });
});

describe("proximity", () => {
  const member = (
    id: string,
    dc: string,
    rack: string,
  ): { id: string; dc: string; rack: string } => ({
    id,
    dc,
    rack,
  });
  const self = member("self", "dc1", "r1");

  it("puts oneself first, then the own rack, datacenter, and racks of the same name elsewhere", () => {
    const members = [
      member("far", "dc2", "r2"),
      member("namesake", "dc2", "r1"),
      member("dc", "dc1", "r2"),
      member("rack", "dc1", "r1"),
      self,
      member("far2", "dc3", "r2"),
    ];
    const ids = orderByProximity(self, members).map(({ id }) => id);
    expect(ids).toEqual(["self", "rack", "dc", "namesake", "far", "far2"]);
    expect(members[0]?.id).toBe("far");
  });

  it("keeps the order of placement where nothing tells members apart", () => {
    const members = ["c", "a", "b"].map((id) => ({ id, ...SIMPLE_LOCATION }));
    expect(orderByProximity(self, members)).toEqual(members);
  });

  const three = ["a", "b", "c"].map((id) => ({ id }));
  const order = (scores: Record<string, number>, threshold: number): string =>
    orderByScore(three, new Map(Object.entries(scores)), threshold)
      .map(({ id }) => id)
      .join("");

  it("gives way to scores only where one is worse than its place by the threshold", () => {
    expect(order({ a: 0.2, b: 0.1, c: 0.3 }, 1)).toBe("abc");
    expect(order({ a: 0.21, b: 0.1, c: 0.3 }, 1)).toBe("bac");
    expect(order({ a: 0.12, b: 0.1, c: 0.3 }, 0.1)).toBe("bac");
  });

  it("always sorts by score at threshold 0, keeping the order of equals", () => {
    expect(order({ a: 0.101, b: 0.1, c: 0.1 }, 0)).toBe("bca");
  });

  it("counts a member without a score as 0", () => {
    expect(order({ a: 0.5, b: 0.4 }, 1)).toBe("cba");
  });
});
