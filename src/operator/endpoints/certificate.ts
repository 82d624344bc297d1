/** The certificate of a server: from files, which are read again when they change, or self-signed, in memory. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../util/clock.ts';
import { asError } from '../../util/error-message.ts';
import { pollFile } from '../../util/poll-file.ts';
import { type CertificatePair, selfSigned } from './x509.ts';

export interface CertificateFiles {
  /** Usually that of a mounted Secret. */
  readonly directory: string;
  readonly cert: string;
  readonly key: string;
}

/** @throws Error with one line for a person, if a file is missing or malformed, or the key is of another certificate */
export async function readCertificate({ directory, cert, key }: CertificateFiles): Promise<CertificatePair> {
  const [certPath, keyPath] = [join(directory, cert), join(directory, key)];
  // In sequence, so that the error is the same each time if both files are missing.
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

/** A certificate for clients on this machine or in this pod, if no files are given. */
export function selfSignedCertificate(clock: Clock): CertificatePair {
  return selfSigned(['localhost', '127.0.0.1', hostname()], clock.now());
}

export interface CertificateFollower {
  readonly use: (pair: CertificatePair) => void;
  /** Called after each read of the files. */
  readonly onRead: (failed: boolean) => void;
  readonly onError: (error: Error) => void;
}

/**
 * Calls `use` with each new pair in the files, and `onError` once for each reason why they can't be used, in which case
 * the pair in use stays.
 *
 * @returns stops following
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
