// A certificate authority and the certificates it signs.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { bits, oid, sequence, TRUE } from '../../../src/operator/endpoints/der.ts';
import {
  extension,
  newKey,
  OID,
  serverNames,
  signCertificate,
  type Subject,
} from '../../../src/operator/endpoints/x509.ts';

export { newKey, privatePem } from '../../../src/operator/endpoints/x509.ts';

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  readonly key: KeyObject;
}

export interface Authority extends Certificate {
  readonly commonName: string;
}

const VALID_FOR = 7 * 24 * 60 * 60 * 1000; // ms

/** SubjectPublicKeyInfo, PEM. */
export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}

export function createAuthority(commonName: string): Authority {
  const key = newKey();
  const certificate = signCertificate(
    { commonName },
    key,
    { commonName, key },
    [Date.now(), VALID_FOR],
    [
      extension(OID.basicConstraints, sequence(TRUE), true),
      extension(OID.keyUsage, bits(0b0000_0110, 1), true), // keyCertSign, cRLSign
    ],
  );
  return { commonName, certificate, key };
}

/** `names`: DNS names and IP addresses that the server answers to. */
export function issueServing(authority: Authority, subject: Subject, names: readonly string[]): Certificate {
  return issue(authority, subject, OID.serverAuth, [serverNames(names)]);
}

export function issueClient(authority: Authority, subject: Subject): Certificate {
  return issue(authority, subject, OID.clientAuth, []);
}

function issue(authority: Authority, subject: Subject, usage: string, more: readonly Buffer[]): Certificate {
  const key = newKey();
  const certificate = signCertificate(
    subject,
    key,
    authority,
    [Date.now(), VALID_FOR],
    [
      extension(OID.keyUsage, bits(0b1000_0000, 7), true), // digitalSignature
      extension(OID.extendedKeyUsage, sequence(oid(usage))),
      ...more,
    ],
  );
  return { certificate, key };
}
