/** The certificate of a server: read from files, and again when these change; or self-signed, in memory. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../util/clock.ts';
import { asError } from '../../util/error-message.ts';
import { pollFile } from '../../util/poll-file.ts';
import { type CertificatePair, selfSigned } from './x509.ts';

export interface CertificateFiles {
  /** The directory of a mounted Secret, usually. */
  readonly directory: string;
  readonly cert: string;
  readonly key: string;
}

/**
 * The pair that the files hold.
 *
 * @throws Error with one line for a person: a file that is missing or not what it should be, a key of another certificate
 */
export async function readCertificate({ directory, cert, key }: CertificateFiles): Promise<CertificatePair> {
  const [certPath, keyPath] = [join(directory, cert), join(directory, key)];
  // One after the other: of two that are missing, the same is told each time.
  const certPem = await read(certPath);
  const keyPem = await read(keyPath);
  let parsed: X509Certificate;
  try {
    parsed = new X509Certificate(certPem);
  } catch (error) {
    throw new Error(`${certPath}: not a certificate in PEM`, { cause: error });
  }
  let matches: boolean;
  try {
    matches = parsed.checkPrivateKey(createPrivateKey(keyPem));
  } catch (error) {
    throw new Error(`${keyPath}: not a private key in PEM without a passphrase`, { cause: error });
  }
  if (!matches) throw new Error(`${keyPath} is not the key of the certificate in ${certPath}`);
  return { cert: certPem, key: keyPem };
}

/** For who does not give any. */
export function selfSignedCertificate(clock: Clock): CertificatePair {
  return selfSigned(['localhost', '127.0.0.1', hostname()], clock.now());
}

export interface CertificateFollower {
  readonly use: (pair: CertificatePair) => void;
  /** The files were looked at. */
  readonly onRead: (failed: boolean) => void;
  readonly onError: (error: Error) => void;
}

/**
 * Calls `use` with each new pair that the files hold, and `onError` once for each way in which they can't be used: what
 * was in use stays.
 *
 * @returns ends it
 */
export function followCertificate(
  files: CertificateFiles,
  current: CertificatePair,
  clock: Clock,
  { use, onRead, onError }: CertificateFollower,
): () => void {
  let inUse = textOf(current);
  return pollFile({
    clock,
    read: () => readCertificate(files),
    textOf,
    current,
    onRead: (error) => onRead(error !== undefined),
    onChange: (pair) => {
      if (textOf(pair) === inUse) return;
      inUse = textOf(pair);
      try {
        use(pair);
      } catch (error) {
        onRead(true);
        onError(asError(error));
      }
    },
    onError,
  });
}

function textOf({ cert, key }: CertificatePair): string {
  return `${cert}\n${key}`;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
};

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException;
    throw new Error(`${path} cannot be read: ${REASONS[code] ?? message}`, { cause: error });
  }
}
