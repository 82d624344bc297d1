/** The bodies of requests and answers: JSON, or objects in a binary format. */
import { ApiError } from '../errors.ts';
import type { RequestName } from '../errors.ts';
import type { BinaryFormat, ReadObject } from './binary-format.ts';
import type { Answer } from './round-trip.ts';
import { describeFailure, malformed, parseJson } from './wire.ts';

const JSON_TYPE = 'application/json';

interface Content extends RequestName {
  readonly body?: object | undefined;
  readonly contentType?: string | undefined;
  readonly acceptParameters?: string | undefined;
}

/**
 * The body of a request, and the headers that tell its type and those of the answer.
 *
 * @throws ApiError of reason BadRequest for an object that the format does not have
 */
export function bodyOf(
  { method, path, body, contentType, acceptParameters }: Content,
  format: BinaryFormat | undefined,
): { readonly headers: readonly string[]; readonly body: string | Buffer | null } {
  const accept = ['accept', acceptOf(format, acceptParameters)];
  if (body === undefined) return { headers: accept, body: null };
  if (format === undefined || contentType !== undefined)
    return { headers: [...accept, 'content-type', contentType ?? JSON_TYPE], body: JSON.stringify(body) };
  try {
    return { headers: [...accept, 'content-type', format.mediaType], body: format.encode(body) };
  } catch (error) {
    // The API server refuses such an object in JSON with the same status and reason.
    const message = `the object can't be sent: ${describeFailure(error)}`;
    throw new ApiError({ method, path, status: 400, reason: 'BadRequest', message, cause: error });
  }
}

/** The types of an answer: JSON too, as not every server has the format. */
export function acceptOf(format: BinaryFormat | undefined, parameters = ''): string {
  const json = `${JSON_TYPE}${parameters}`;
  return format === undefined ? json : `${format.mediaType}${parameters}, ${json}`;
}

export function isBinary(
  contentType: string | undefined,
  format: BinaryFormat | undefined,
): format is BinaryFormat {
  return format !== undefined && contentType?.startsWith(format.mediaType) === true;
}

/** The value of a successful answer. @throws ApiError of reason Malformed */
export function valueOf(
  name: RequestName,
  { contentType, body }: Answer,
  format: BinaryFormat | undefined,
  readObject: ReadObject | undefined,
): unknown {
  return isBinary(contentType, format)
    ? readBinary(name, () => format.decode(body, readObject))
    : parseJson(name, body.toString('utf8'));
}

/** Runs a reader of the binary format. @throws ApiError of reason Malformed for its errors */
export function readBinary(name: RequestName, read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    throw malformed(name, `the answer can't be read: ${describeFailure(error)}`, error);
  }
}

/** The Status of a failure, in the binary format; anything else as text. */
export function contentOf({ contentType, body }: Answer, format: BinaryFormat | undefined): unknown {
  try {
    if (isBinary(contentType, format)) return format.decode(body);
  } catch {
    // The text is quoted in the error.
  }
  return body.toString('utf8');
}
