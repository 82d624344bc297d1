// The control plane's certificates, verified by OpenSSL (through node:crypto).
import assert from 'node:assert/strict';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { createAuthority, issueClient, issueServing } from '../../env/plane/x509.ts';

describe('certificates of the control plane', () => {
  const authority = createAuthority('authority');
  const root = new X509Certificate(authority.certificate);

  it('include an authority that signs itself and may sign others', () => {
    assert.equal(root.ca, true);
    assert.equal(root.subject, 'CN=authority');
    assert.ok(root.verify(root.publicKey));
  });

  it('name a server by DNS name and address, under the authority', () => {
    const serving = issueServing(authority, { commonName: 'server' }, [
      '127.0.0.1',
      'localhost',
      'a.example',
    ]);
    const certificate = new X509Certificate(serving.certificate);
    assert.ok(certificate.checkIssued(root));
    assert.ok(certificate.verify(root.publicKey));
    assert.ok(certificate.checkPrivateKey(serving.key));
    assert.equal(certificate.ca, false);
    assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1');
    assert.equal(certificate.checkIP('127.0.0.2'), undefined);
    assert.equal(certificate.checkHost('a.example'), 'a.example');
    assert.equal(certificate.checkHost('b.example'), undefined);
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  });

  it('name a client and its group', () => {
    const client = issueClient(authority, { commonName: 'admin', organization: 'system:masters' });
    const certificate = new X509Certificate(client.certificate);
    assert.equal(certificate.subject, 'O=system:masters\nCN=admin');
    assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.ok(certificate.verify(root.publicKey));
    assert.ok(certificate.publicKey.equals(createPublicKey(client.key)));
  });

  it('are valid now and since an hour ago, and have distinct serial numbers', () => {
    const [first, second] = [1, 2].map(
      () => new X509Certificate(issueClient(authority, { commonName: 'a' }).certificate),
    );
    assert.ok(first && second);
    assert.ok(first.validFromDate.getTime() < Date.now() - 59 * 60_000);
    assert.ok(first.validToDate.getTime() > Date.now() + 24 * 3600_000);
    assert.notEqual(first.serialNumber, second.serialNumber);
  });

  it('do not verify with another authority of the same name', () => {
    const other = new X509Certificate(createAuthority('authority').certificate);
    const client = new X509Certificate(issueClient(authority, { commonName: 'a' }).certificate);
    assert.equal(client.verify(other.publicKey), false);
  });

  it('have well-formed numbers for any first random byte', () => {
    for (let i = 0; i < 300; i++) {
      const certificate = new X509Certificate(issueClient(authority, { commonName: `c${i}` }).certificate);
      assert.ok(!certificate.serialNumber.startsWith('-'));
      assert.ok(certificate.verify(root.publicKey));
    }
  });
});
