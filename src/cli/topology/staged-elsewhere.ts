/**
 * What to say where nothing is staged: most often it is, at another member.
 *
 * Changes are staged at one member and never leave it before they are committed, so nobody but that
 * member knows of them. Who asks a wrong one is told which member it is, by asking all of them.
 */
import { MemberClient } from "../client.ts";
import { CliError } from "../exit-codes.ts";
import { type Operation, again } from "./operation.ts";

/** One member that does not answer must not hold up the reason. */
const REPLY_TIMEOUT_MS = 3000;

interface OtherMember {
  readonly address: string;
  readonly url: string | undefined;
}

/** Does something that needs staged changes. Names the members that have some if this one has none. */
export async function withStaged<T>(operation: Operation, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const isNamed = error instanceof CliError && error.detail["code"] === "NOTHING_STAGED";
    throw isNamed ? await named(operation, error) : error;
  }
}

async function named(operation: Operation, error: CliError): Promise<CliError> {
  const others = await othersOf(operation);
  const counts = await Promise.all(others.map((other) => stagedAt(operation, other)));
  const holders = others.filter((_, index) => (counts[index] ?? 0) > 0);
  const silent = others.filter((_, index) => counts[index] === undefined);
  const parts = [
    error.message,
    ...holders.map(
      ({ address, url }) =>
        `${address} has staged something: 'dynaring plan --url ${url}' shows it`,
    ),
    ...(holders.length === 0 ? [`'${again(operation, "plan")}' with changes stages them`] : []),
    ...(silent.length === 0
      ? []
      : [`no answer from ${silent.map(({ address }) => address).join(", ")}`]),
  ];
  return new CliError(error.exit, parts.join("; "), { ...error.detail, holders });
}

async function othersOf({ client }: Operation): Promise<readonly OtherMember[]> {
  const { members } = await client.status();
  return members
    .filter(({ isSelf }) => !isSelf)
    .map(({ address, httpAddress }) => ({
      address,
      url: httpAddress === undefined ? undefined : `http://${httpAddress}`,
    }));
}

/** How many changes are staged there; undefined if it cannot be asked. */
async function stagedAt({ context }: Operation, { url }: OtherMember): Promise<number | undefined> {
  if (url === undefined) return undefined;
  try {
    const client = new MemberClient(context.fetch, url, REPLY_TIMEOUT_MS);
    return (await client.topology()).staged.length;
  } catch (error) {
    if (error instanceof CliError) return undefined;
    throw error;
  }
}
