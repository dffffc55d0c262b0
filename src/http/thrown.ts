/** Whatever a route threw, as a reply in the one form of error. */
import type { FastifyError, FastifyRequest } from "fastify";
import { hasZodFastifySchemaValidationErrors } from "fastify-type-provider-zod";
import type { Logger } from "../model/deps.ts";
import { KvError } from "../model/kv-error.ts";
import { InvariantError } from "../util/assert.ts";
import { type HttpReply, replyToHttpError, replyToKvError } from "./errors.ts";

type Thrown = FastifyError | Error;

export function replyToThrown(error: unknown, request: FastifyRequest, logger: Logger): HttpReply {
  if (error instanceof KvError) return replyToKvError(error);
  if (hasZodFastifySchemaValidationErrors(error)) return replyToKvError(invalid(error, request));
  const { message, stack, statusCode, code } = error as Thrown & Partial<FastifyError>;
  if (code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    return replyToKvError(tooLarge(request));
  }
  if (statusCode !== undefined && statusCode < 500) {
    return replyToHttpError("BAD_REQUEST", message, statusCode);
  }
  // A broken invariant is nobody's to catch, and the router has caught it: throw it out again.
  if (error instanceof InvariantError) {
    queueMicrotask(() => {
      throw error;
    });
  }
  logger.error("http.request-failed", { error: message, stack });
  return replyToHttpError("INTERNAL", "the request failed inside this member; see its log");
}

export function replyToNoRoute(method: string, url: string): HttpReply {
  const path = cut(url.split("?")[0] ?? url);
  return replyToHttpError("NO_ROUTE", `no route for ${method} ${path}; see /openapi.json`);
}

/** The first thing that the schema of a route did not let through. */
function invalid(
  error: { readonly validation: readonly { instancePath: string; message?: string }[] } & Pick<
    FastifyError,
    "validationContext"
  >,
  request: FastifyRequest,
): KvError {
  const [problem] = error.validation;
  const part = inputOf(request, error.validationContext);
  const params = (problem as { params?: Readonly<Record<string, unknown>> } | undefined)?.params;
  const unknownKeys = Array.isArray(params?.["keys"]) ? params["keys"].map(String) : [];
  const names = (problem?.instancePath ?? "/").split("/").filter((name) => name !== "");
  const path = unknownKeys[0] === undefined ? names : [...names, unknownKeys[0]];
  return new KvError({
    code: "INVALID_ARGUMENT",
    argument: path.join(".") || "body",
    value: cut(textOf(valueAt(part, path))),
    expected: unknownKeys.length > 0 ? "no such parameter" : (problem?.message ?? "another value"),
  });
}

function inputOf(request: FastifyRequest, context: string | undefined): unknown {
  if (context === "querystring") return request.query;
  return context === "params" ? request.params : request.body;
}

function valueAt(input: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (value, name) =>
      typeof value === "object" && value !== null
        ? (value as Readonly<Record<string, unknown>>)[name]
        : undefined,
    input,
  );
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function cut(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 97)}...`;
}

function tooLarge(request: FastifyRequest): KvError {
  const maxBytes = request.routeOptions.bodyLimit ?? 0;
  // A body sent in chunks has no declared length: it was cut at the first byte over the limit.
  const declared = Number(request.headers["content-length"]);
  const sizeBytes = Number.isSafeInteger(declared) ? declared : maxBytes + 1;
  return new KvError({ code: "TOO_LARGE", what: "value", sizeBytes, maxBytes });
}
