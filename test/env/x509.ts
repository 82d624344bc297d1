// Just enough X.509 to make a certificate authority and the certificates it signs, with node:crypto alone: a
// DER writer and the certificate structure of RFC 5280. Keys are ECDSA P-256, signatures SHA-256.
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { isIP } from 'node:net';

export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  readonly key: KeyObject;
}

export interface Authority extends Certificate {
  readonly commonName: string;
}

export interface Subject {
  readonly commonName: string;
  /** For a client certificate Kubernetes reads groups here. */
  readonly organization?: string;
}

const VALID_FOR = 7 * 24 * 60 * 60 * 1000; // ms
const BACKDATED = 60 * 60 * 1000; // ms; a machine whose clock is stepped back must not reject its own certificates

const OID = {
  commonName: '2.5.4.3',
  organization: '2.5.4.10',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

export function newKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** PKCS #8, PEM. */
export function privatePem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** SubjectPublicKeyInfo, PEM. */
export function publicPem(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}

export function createAuthority(commonName: string): Authority {
  const key = newKey();
  const certificate = signCertificate({ commonName }, key, { commonName, key }, [
    extension(OID.basicConstraints, sequence(TRUE), true),
    extension(OID.keyUsage, bits(0b0000_0110, 1), true), // keyCertSign, cRLSign
  ]);
  return { commonName, certificate, key };
}

/** `names`: DNS names and IP addresses that the server answers to. */
export function issueServing(authority: Authority, subject: Subject, names: readonly string[]): Certificate {
  const alternatives = names.map((name) =>
    isIP(name) ? der(0x87, address(name)) : der(0x82, Buffer.from(name)),
  );
  return issue(authority, subject, OID.serverAuth, [
    extension(OID.subjectAltName, sequence(...alternatives)),
  ]);
}

export function issueClient(authority: Authority, subject: Subject): Certificate {
  return issue(authority, subject, OID.clientAuth, []);
}

function issue(authority: Authority, subject: Subject, usage: string, more: readonly Buffer[]): Certificate {
  const key = newKey();
  const certificate = signCertificate(subject, key, authority, [
    extension(OID.keyUsage, bits(0b1000_0000, 7), true), // digitalSignature
    extension(OID.extendedKeyUsage, sequence(oid(usage))),
    ...more,
  ]);
  return { certificate, key };
}

function signCertificate(
  subject: Subject,
  key: KeyObject,
  issuer: { readonly commonName: string; readonly key: KeyObject },
  extensions: readonly Buffer[],
): string {
  const now = Date.now();
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const body = sequence(
    der(0xa0, integer(Buffer.of(2))), // version 3
    integer(randomBytes(16)),
    algorithm,
    distinguishedName({ commonName: issuer.commonName }),
    sequence(time(now - BACKDATED), time(now + VALID_FOR)),
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

function distinguishedName({ commonName, organization }: Subject): Buffer {
  const attribute = (type: string, value: string) =>
    der(0x31, sequence(oid(type), der(0x0c, Buffer.from(value, 'utf8'))));
  return sequence(
    ...(organization === undefined ? [] : [attribute(OID.organization, organization)]),
    attribute(OID.commonName, commonName),
  );
}

function extension(type: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(type), ...(critical ? [TRUE] : []), der(0x04, value));
}

function address(ip: string): Buffer {
  if (isIP(ip) !== 4) throw new Error(`only IPv4 addresses are needed here, not ${ip}`);
  return Buffer.from(ip.split('.').map(Number));
}

// DER (ITU-T X.690): a tag, a length and a value.
function der(tag: number, ...values: readonly Buffer[]): Buffer {
  const value = Buffer.concat(values);
  const length: number[] = [];
  for (let rest = value.length; rest > 0; rest >>= 8) length.unshift(rest & 0xff);
  const header = value.length < 0x80 ? [tag, value.length] : [tag, 0x80 | length.length, ...length];
  return Buffer.concat([Buffer.from(header), value]);
}

const TRUE = der(0x01, Buffer.of(0xff));

function sequence(...values: readonly Buffer[]): Buffer {
  return der(0x30, ...values);
}

/** A positive integer; the leading zero keeps its sign bit clear. */
function integer(value: Buffer): Buffer {
  const first = value.findIndex((byte) => byte !== 0);
  const trimmed = first < 0 ? Buffer.of(0) : value.subarray(first);
  return der(0x02, (trimmed[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), trimmed]) : trimmed);
}

function bitString(value: Buffer): Buffer {
  return der(0x03, Buffer.of(0), value);
}

/** Named bits of one byte, of which the last `unused` are not part of the value. */
function bits(value: number, unused: number): Buffer {
  return der(0x03, Buffer.of(unused, value));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const base128 = (number: number): number[] => {
    const bytes = [number & 0x7f];
    for (let high = number >> 7; high > 0; high >>= 7) bytes.unshift((high & 0x7f) | 0x80);
    return bytes;
  };
  return der(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

/** GeneralizedTime is for 2050 and later only (RFC 5280, 4.1.2.5); certificates of a week need UTCTime. */
function time(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replace(/[-:T]/g, '').slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}
