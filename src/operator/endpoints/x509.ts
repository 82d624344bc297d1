/**
 * Writes X.509 certificates (RFC 5280): node:crypto can sign, but not write them. Keys are ECDSA P-256, signatures use
 * SHA-256.
 */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP } from 'node:net';
import { bits, bitString, der, integer, oid, sequence, time, TRUE } from './der.ts';

/** A distinguished name, as pairs of attribute type (OID) and value. */
export type Subject = readonly (readonly [type: string, value: string])[];

/** PEM. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

const BACKDATED = 60 * 60 * 1000; // ms; a machine whose clock is set back must not reject its own certificates
const YEAR = 365 * 24 * 60 * 60 * 1000; // ms

export const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

/** A self-signed certificate for a server with these DNS names and IPv4 addresses, valid for ten years. */
export function selfSigned(names: readonly string[], now: number): CertificatePair {
  const key = newKey();
  const subject: Subject = [[OID.commonName, names[0] ?? 'localhost']];
  const cert = signCertificate({
    subject,
    key,
    issuer: { subject, key },
    now,
    validForMs: 10 * YEAR,
    extensions: [
      extension(OID.keyUsage, bits(0b1000_0000, 7), 'critical'), // digitalSignature
      extension(OID.extendedKeyUsage, sequence(oid(OID.serverAuth))),
      serverNames(names),
    ],
  });
  return { cert, key: privatePem(key) };
}

export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** PKCS #8, PEM. */
export function privatePem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The extension with the DNS names and IPv4 addresses of a server. */
export function serverNames(names: readonly string[]): Buffer {
  const alternatives = names.map((name) =>
    isIP(name) ? der(0x87, address(name)) : der(0x82, Buffer.from(name)),
  );
  return extension(OID.subjectAltName, sequence(...alternatives));
}

export interface CertificateTemplate {
  readonly subject: Subject;
  /** The key that the certificate is for; only its public half is in the certificate. */
  readonly key: KeyObject;
  readonly issuer: { readonly subject: Subject; readonly key: KeyObject };
  /** Wall clock, milliseconds since the epoch. The certificate is valid from an hour before. */
  readonly now: number;
  readonly validForMs: number;
  /** Extensions besides the key identifiers. */
  readonly extensions: readonly Buffer[];
}

/** Signs a certificate with the issuer's key. @returns PEM */
export function signCertificate(template: CertificateTemplate): string {
  const { subject, key, issuer, now, validForMs, extensions } = template;
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const body = sequence(
    der(0xa0, integer(Buffer.of(2))), // version 3
    integer(randomBytes(16)),
    algorithm,
    distinguishedName(issuer.subject),
    sequence(time(now - BACKDATED), time(now + validForMs)),
    distinguishedName(subject),
    subjectPublicKeyInfo(key),
    der(
      0xa3,
      sequence(
        extension(OID.subjectKeyIdentifier, der(0x04, keyIdentifier(key))),
        extension(OID.authorityKeyIdentifier, sequence(der(0x80, keyIdentifier(issuer.key)))),
        ...extensions,
      ),
    ),
  );
  const signed = sequence(body, algorithm, bitString(sign('sha256', body, issuer.key)));
  const lines = signed.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function subjectPublicKeyInfo(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: 'spki', format: 'der' });
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha1').update(subjectPublicKeyInfo(key)).digest(); // an identifier, not a protection
}

function distinguishedName(subject: Subject): Buffer {
  return sequence(
    ...subject.map(([type, value]) => der(0x31, sequence(oid(type), der(0x0c, Buffer.from(value, 'utf8'))))),
  );
}

export function extension(type: string, value: Buffer, critical?: 'critical'): Buffer {
  return sequence(oid(type), ...(critical === undefined ? [] : [TRUE]), der(0x04, value));
}

function address(ip: string): Buffer {
  if (isIP(ip) !== 4) throw new Error(`only IPv4 addresses are needed here, not ${ip}`);
  return Buffer.from(ip.split('.').map(Number));
}
