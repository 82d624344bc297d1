// A certificate authority, and the certificates that it signs.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { bits, oid, sequence, TRUE } from '../../../src/operator/endpoints/der.ts';
import {
  extension,
  newKey,
  OID as SERVER_OID,
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
  readonly subject: Subject;
}

export interface Owner {
  readonly commonName: string;
  /** Kubernetes reads the group of a client certificate's user here. */
  readonly organization?: string;
}

const OID = {
  ...SERVER_OID,
  organization: '2.5.4.10',
  basicConstraints: '2.5.29.19',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

const VALID_FOR_MS = 7 * 24 * 60 * 60 * 1000;

/** SubjectPublicKeyInfo, PEM. */
export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}

export function createAuthority(commonName: string): Authority {
  const key = newKey();
  const subject = subjectOf({ commonName });
  const certificate = signCertificate({
    subject,
    key,
    issuer: { subject, key },
    now: Date.now(),
    validForMs: VALID_FOR_MS,
    extensions: [
      extension(OID.basicConstraints, sequence(TRUE), 'critical'),
      extension(OID.keyUsage, bits(0b0000_0110, 1), 'critical'), // keyCertSign, cRLSign
    ],
  });
  return { subject, certificate, key };
}

/** @param names DNS names and IP addresses of the server */
export function issueServing(authority: Authority, owner: Owner, names: readonly string[]): Certificate {
  return issue(authority, owner, [usage(OID.serverAuth), serverNames(names)]);
}

export function issueClient(authority: Authority, owner: Owner): Certificate {
  return issue(authority, owner, [usage(OID.clientAuth)]);
}

/** A certificate of a service mesh, for both ends of a connection. @param identity as a URI, such as spiffe://DOMAIN/ns/N/sa/A */
export function issueWorkload(authority: Authority, identity: string): Certificate {
  const purposes = extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth), oid(OID.clientAuth)));
  // GeneralName: uniformResourceIdentifier is [6], of a text that is shorter than 128 bytes here.
  const name = Buffer.concat([Buffer.from([0x86, identity.length]), Buffer.from(identity)]);
  return issue(authority, { commonName: 'workload' }, [
    purposes,
    extension(OID.subjectAltName, sequence(name)),
  ]);
}

function issue(issuer: Authority, owner: Owner, extensions: readonly Buffer[]): Certificate {
  const key = newKey();
  const certificate = signCertificate({
    subject: subjectOf(owner),
    key,
    issuer,
    now: Date.now(),
    validForMs: VALID_FOR_MS,
    extensions: [
      extension(OID.keyUsage, bits(0b1000_0000, 7), 'critical'), // digitalSignature
      ...extensions,
    ],
  });
  return { certificate, key };
}

function usage(purpose: string): Buffer {
  return extension(OID.extendedKeyUsage, sequence(oid(purpose)));
}

function subjectOf({ commonName, organization }: Owner): Subject {
  return [
    ...(organization === undefined ? [] : [[OID.organization, organization] as const]),
    [OID.commonName, commonName],
  ];
}
