import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LogFields, type Logger, silentLogger } from "../../model/deps.ts";
import { createNode } from "../create-node.ts";
import { ConfigError, type NodeOptionsInput, parseNodeOptions } from "../options.ts";
import { realClock } from "../real-clock.ts";
import { SNITCH_NAMES, Snitch } from "./snitch.ts";
import { TopologyWatcher } from "./topology-watcher.ts";

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "dynaring-snitch-"));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function fileWith(text: string): string {
  const file = join(directory, "snitch.properties");
  writeFileSync(file, text);
  return file;
}

function locate(options: NodeOptionsInput) {
  const deps = { clock: realClock, logger: silentLogger, liveHosts: () => [] };
  return new Snitch(deps, parseNodeOptions(options)).locate();
}

const AT = { internode: { host: "0.0.0.0", advertise: "10.20.30.40:7400" } };

describe("without asking anybody", () => {
  test("configured takes what the options say", async () => {
    expect(await locate({ dc: "eu", rack: "r7" })).toEqual({ dc: "eu", rack: "r7" });
  });

  test("simple is one datacenter with one rack", async () => {
    const place = { dc: "datacenter1", rack: "rack1" };
    expect(await locate({ dc: "eu", snitch: { kind: "simple" } })).toEqual(place);
  });

  test("rackinferring reads the address that the others know", async () => {
    const options = { ...AT, snitch: { kind: "rackinferring" } } as const;
    expect(await locate(options)).toEqual({ dc: "20", rack: "30" });
    const named = { internode: { advertise: "db1.example:7400" }, snitch: options.snitch };
    await expect(locate(named)).rejects.toThrow(
      /"db1\.example" is wrong, expected an IPv4 address/,
    );
  });
});

describe("from Cassandra's files", () => {
  test("propertyfile finds the own address, or the default", async () => {
    const file = fileWith("10.20.30.40=dc7:r3\ndefault=dc1:r1\n");
    const snitch = { kind: "propertyfile", file } as const;
    expect(await locate({ ...AT, snitch })).toEqual({ dc: "dc7", rack: "r3" });
    expect(await locate({ snitch })).toEqual({ dc: "dc1", rack: "r1" });
  });

  test("propertyfile without a word on the own address is refused", async () => {
    const file = fileWith("10.0.0.1=dc7:r3\n");
    await expect(locate({ ...AT, snitch: { kind: "propertyfile", file } })).rejects.toThrow(
      /"10\.20\.30\.40" is wrong/,
    );
  });

  test("gossipingpropertyfile takes dc and rack", async () => {
    const file = fileWith("dc=dc5\nrack=r9\nprefer_local=true\n");
    const snitch = { kind: "gossipingpropertyfile", file } as const;
    expect(await locate({ snitch })).toEqual({ dc: "dc5", rack: "r9" });
    fileWith("dc=dc5\n");
    await expect(locate({ snitch })).rejects.toThrow(/rack/);
  });

  test.each(["propertyfile", "gossipingpropertyfile", "ec2"] as const)(
    "a file of %s that cannot be read is named",
    async (kind) => {
      const file = join(directory, "missing");
      await expect(locate({ snitch: { kind, file } })).rejects.toThrow(/missing: .*ENOENT/);
    },
  );
});

describe("from a cloud's metadata service", () => {
  let server: Server;
  let url: string;
  let seen: string[];
  let respond: (request: IncomingMessage, response: ServerResponse) => void;

  beforeEach(async () => {
    seen = [];
    respond = (_request, response) => void response.writeHead(404).end();
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      respond(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  const ZONE = "/latest/meta-data/placement/availability-zone";

  test("ec2 asks with a token, and names by the scheme of cassandra-rackdc.properties", async () => {
    respond = (request, response) => {
      if (request.method === "PUT") {
        const ttl = request.headers["x-aws-ec2-metadata-token-ttl-seconds"];
        response.end(ttl === "21600" ? "secret" : "");
      } else if (request.headers["x-aws-ec2-metadata-token"] === "secret") {
        response.end("us-east-1a");
      } else response.writeHead(401).end();
    };
    const snitch = { kind: "ec2", metadataUrl: url } as const;
    expect(await locate({ snitch })).toEqual({ dc: "us-east-1", rack: "us-east-1a" });
    expect(seen).toEqual(["PUT /latest/api/token", `GET ${ZONE}`]);
    const file = fileWith("ec2_naming_scheme=legacy\ndc_suffix=_x\n");
    expect(await locate({ snitch: { ...snitch, file } })).toEqual({ dc: "us-east_x", rack: "1a" });
  });

  test("ec2 does without a token where there are none", async () => {
    respond = (request, response) => {
      if (request.method === "PUT") response.writeHead(403).end();
      else response.end("eu-west-1b");
    };
    const place = { dc: "eu-west-1", rack: "eu-west-1b" };
    expect(await locate({ snitch: { kind: "ec2", metadataUrl: url } })).toEqual(place);
  });

  test("gce asks with its header", async () => {
    respond = (request, response) => {
      if (request.headers["metadata-flavor"] !== "Google") response.writeHead(403).end();
      else response.end("projects/12/zones/us-central1-a");
    };
    const place = { dc: "us-central1", rack: "a" };
    expect(await locate({ snitch: { kind: "gce", metadataUrl: `${url}/` } })).toEqual(place);
    expect(seen).toEqual(["GET /computeMetadata/v1/instance/zone"]);
  });

  test("azure asks for JSON", async () => {
    respond = (request, response) => {
      if (request.headers["metadata"] !== "true") response.writeHead(400).end();
      else response.end('{"location":"westeurope","zone":"2","platformFaultDomain":"0"}');
    };
    const place = { dc: "westeurope", rack: "rack-2" };
    expect(await locate({ snitch: { kind: "azure", metadataUrl: url } })).toEqual(place);
  });

  test("a service that is not ready yet is asked again", async () => {
    let calls = 0;
    respond = (_request, response) => {
      calls += 1;
      if (calls === 1) response.writeHead(503).end();
      else response.end("projects/12/zones/us-central1-a");
    };
    const place = { dc: "us-central1", rack: "a" };
    expect(await locate({ snitch: { kind: "gce", metadataUrl: url } })).toEqual(place);
  });

  test.each([
    ["ec2", "nonsense", /EC2 availability zone: "nonsense"/],
    ["gce", "nonsense", /Google zone: "nonsense"/],
    ["azure", "nonsense", /"nonsense" is wrong, expected a JSON object/],
  ] as const)("an answer of %s that makes no sense is shown", async (kind, body, message) => {
    respond = (_request, response) => void response.end(body);
    await expect(locate({ snitch: { kind, metadataUrl: url } })).rejects.toThrow(message);
  });

  test("a refusal and a service that is not there are told with the address", async () => {
    await expect(locate({ snitch: { kind: "gce", metadataUrl: url } })).rejects.toThrow(
      /instance\/zone: "status 404"/,
    );
    const nobody = { kind: "gce", metadataUrl: "http://127.0.0.1:2" } as const;
    await expect(locate({ snitch: nobody })).rejects.toThrow(/127\.0\.0\.1:2.*ECONNREFUSED/);
  });
});

describe("a topology file that changes", () => {
  interface Event {
    readonly event: string;
    readonly fields: LogFields | undefined;
  }

  /** Starts watching, changes the file, and waits for what the watcher has to say. */
  async function changed(before: string, after: string, live: readonly string[]): Promise<Event> {
    let told: (event: Event) => void = () => {};
    const first = new Promise<Event>((resolve) => {
      told = resolve;
    });
    const tell = (event: string, fields?: LogFields): void => told({ event, fields });
    const logger: Logger = { ...silentLogger, info: tell, error: tell };
    const deps = { clock: realClock, logger, liveHosts: () => live };
    const watcher = new TopologyWatcher(deps, { file: fileWith(before), checkIntervalMs: 5 });
    await watcher.locate("10.0.0.1");
    watcher.start();
    writeFileSync(join(directory, "snitch.properties"), after);
    const keepAlive = setInterval(() => {}, 1000);
    const event = await first;
    clearInterval(keepAlive);
    await watcher.stop();
    return event;
  }

  const FILE = "10.0.0.1=dc1:r1\n10.0.0.2=dc1:r2\n";

  test("is taken over if it moves nobody who is alive", async () => {
    const after = "10.0.0.1=dc1:r1\n10.0.0.2=dc2:r2\n10.0.0.3=dc1:r3\n";
    expect((await changed(FILE, after, ["10.0.0.1", "10.0.0.9"])).event).toBe(
      "snitch.file-reloaded",
    );
  });

  test("is refused if it moves a live member", async () => {
    const after = "10.0.0.1=dc1:r1\n10.0.0.2=dc2:r2\n";
    const { event, fields } = await changed(FILE, after, ["10.0.0.1", "10.0.0.2"]);
    expect([event, fields?.["members"]]).toEqual(["snitch.change-refused", ["10.0.0.2"]]);
  });

  test("is refused if it forgets a live member", async () => {
    const { event } = await changed(FILE, "10.0.0.2=dc1:r2\n", ["10.0.0.1"]);
    expect(event).toBe("snitch.change-refused");
  });
});

test.each([
  [{ snitch: { kind: "propertyfile" } }, "snitch.file"],
  [{ snitch: { kind: "gossipingpropertyfile" } }, "snitch.file"],
  [{ snitch: { kind: "simple", file: "x" } }, "snitch.file"],
  [{ snitch: { metadataUrl: "http://127.0.0.1:1" } }, "snitch.metadataUrl"],
  [{ snitch: { kind: "ec2", metadataUrl: "ftp://x" } }, "snitch.metadataUrl"],
  [{ snitch: { kind: "dns" } }, "snitch.kind"],
])("options that make no sense are refused: %j", (options, path) => {
  expect(problemPaths(options)).toEqual([path]);
});

function problemPaths(options: unknown): readonly string[] {
  try {
    parseNodeOptions(options);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map((problem) => problem.path);
  }
}

describe("a member", () => {
  test("joins where its snitch says, and tells which snitch that is", async () => {
    const file = fileWith("dc=dc5\nrack=r9\n");
    const snitch = { kind: "gossipingpropertyfile", file } as const;
    const node = createNode({ internode: { port: 0 }, dc: "ignored", snitch });
    await node.start();
    const { snitch: name, members } = node.admin.status();
    await node.stop();
    expect(name).toBe(SNITCH_NAMES.gossipingpropertyfile);
    expect(members).toMatchObject([{ dc: "dc5", rack: "r9" }]);
  });

  test("whose snitch fails does not start, and stops", async () => {
    const snitch = { kind: "propertyfile", file: join(directory, "missing") } as const;
    const node = createNode({ internode: { port: 0 }, snitch });
    await expect(node.start()).rejects.toThrow(/ENOENT/);
    await node.stop();
  });

  test("that is stopped while its snitch still asks does not come up afterwards", async () => {
    const node = createNode({ internode: { port: 0 } });
    const started = node.start();
    await node.stop();
    await expect(started).rejects.toThrow(/stopped/);
  });
});
