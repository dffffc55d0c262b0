/**
 * Asking a cloud's metadata service, which every machine of the cloud reaches at a fixed address and
 * nobody else does.
 *
 * Source: Cassandra `locator/Ec2Snitch`, `locator/GoogleCloudSnitch`, `locator/AzureSnitch` and their
 * `*MetadataServiceConnector`.
 */
import { setTimeout as pause } from "node:timers/promises";
import { azureLocation, ec2Location, googleLocation } from "../../placement/snitch/cloud.ts";
import { type Location, SnitchError } from "../../placement/snitch/location.ts";
import type { RackdcFile } from "../../placement/snitch/rackdc-file.ts";

export type CloudKind = "ec2" | "gce" | "azure";

/** Where the services are unless the configuration says otherwise. */
const METADATA_URLS: Readonly<Record<CloudKind, string>> = {
  ec2: "http://169.254.169.254",
  gce: "http://metadata.google.internal",
  azure: "http://169.254.169.254",
};

const REPLY_TIMEOUT_MS = 5000;
/** The network of a machine that boots may not be there yet. */
const ATTEMPTS = 3;
const ATTEMPT_INTERVAL_MS = 500;
const EC2_TOKEN_TTL_SECONDS = "21600";
const AZURE_API_VERSION = "2021-12-13";

export interface MetadataOptions {
  readonly kind: CloudKind;
  /** Without a path; default: the cloud's own. */
  readonly url: string | undefined;
  /** Suffix and naming scheme. */
  readonly rackdc: RackdcFile;
}

/** Where the cloud says that this machine stands; throws SnitchError. */
export async function cloudLocation({ kind, url, rackdc }: MetadataOptions): Promise<Location> {
  const service = new MetadataService((url ?? METADATA_URLS[kind]).replace(/\/+$/, ""));
  switch (kind) {
    case "ec2":
      return ec2Location(await ec2Zone(service), rackdc);
    case "gce": {
      const headers = { "Metadata-Flavor": "Google" };
      const zone = await service.text("/computeMetadata/v1/instance/zone", { headers });
      return googleLocation(zone, rackdc.dcSuffix);
    }
    case "azure": {
      const path = `/metadata/instance/compute?api-version=${AZURE_API_VERSION}&format=json`;
      const text = await service.text(path, { headers: { Metadata: "true" } });
      return azureLocation(azureFields(text, service.url), rackdc.dcSuffix);
    }
  }
}

/** Version 2 of the service wants a token first; where it is switched off, version 1 answers. */
async function ec2Zone(service: MetadataService): Promise<string> {
  const token = await service.answer("/latest/api/token", {
    method: "PUT",
    headers: { "X-aws-ec2-metadata-token-ttl-seconds": EC2_TOKEN_TTL_SECONDS },
  });
  const headers: Record<string, string> = token.ok
    ? { "X-aws-ec2-metadata-token": await token.text() }
    : {};
  return service.text("/latest/meta-data/placement/availability-zone", { headers });
}

function azureFields(text: string, source: string): Readonly<Record<string, string | undefined>> {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    fields = undefined;
  }
  if (typeof fields !== "object" || fields === null) {
    throw new SnitchError(source, text.slice(0, 100), "a JSON object with location and zone");
  }
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === "string" ? value : undefined,
    ]),
  );
}

class MetadataService {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  /** The text at a path; throws SnitchError for anything but success. */
  async text(path: string, request: RequestInit): Promise<string> {
    const answer = await this.answer(path, request);
    const text = await answer.text();
    if (answer.ok) return text.trim();
    throw new SnitchError(this.url + path, `status ${answer.status}`, "the machine's zone");
  }

  /** The answer to a request, whatever it is; throws SnitchError if none comes. */
  async answer(path: string, request: RequestInit): Promise<Response> {
    let reason = "";
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (attempt > 1) await pause(ATTEMPT_INTERVAL_MS);
      try {
        const signal = AbortSignal.timeout(REPLY_TIMEOUT_MS);
        const answer = await fetch(this.url + path, { ...request, signal });
        if (answer.status < 500) return answer;
        reason = `status ${answer.status}`;
      } catch (error) {
        reason = failureText(error);
      }
    }
    const expected = "an answer of the cloud's metadata service";
    throw new SnitchError(this.url + path, reason, expected);
  }
}

/** What `fetch` hides in the cause. */
function failureText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
