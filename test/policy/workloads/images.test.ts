/** The judgement of images by `spec.workloads.images`, on hostile and ordinary references. */
import assert from 'node:assert/strict';
import { type ImageLimits, imageViolations } from '../../../src/policy/workloads/images.ts';

const SHA256 = `sha256:${'0123456789abcdef'.repeat(4)}`;
const limits = (some: Partial<ImageLimits>): ImageLimits => ({
  action: 'Enforce',
  digest: 'Optional',
  ...some,
});
const judge = (some: Partial<ImageLimits>, image: string) =>
  imageViolations(limits(some), { containers: [{ name: 'main', image }] });

describe('workloads.images.registries', () => {
  const cases: readonly (readonly [registry: string, image: string, admitted: boolean])[] = [
    ['registry.example.com', 'registry.example.com/x', true],
    ['registry.example.com', 'registry.example.com/team/x:1.2', true],
    ['registry.example.com', `registry.example.com/x@${SHA256}`, true],
    ['registry.example.com', 'registry.example.com.evil/x', false],
    ['registry.example.com', 'registry.example.com@evil/x', false],
    ['registry.example.com', 'registry.example.comevil/x', false],
    ['registry.example.com', 'evil/registry.example.com/x', false],
    ['registry.example.com', 'evil.example/registry.example.com/x', false],
    ['registry.example.com', 'registry.example.com:5000/x', false],
    ['registry.example.com', 'registry.example.com:5000', false],
    ['registry.example.com', 'registry.example.com', false],
    ['registry.example.com', 'Registry.Example.com/x', false],
    ['registry.example.com', 'REGISTRY.EXAMPLE.COM/x', false],
    ['registry.example.com', 'https://registry.example.com/x', false],
    ['registry.example.com', 'user@registry.example.com/x', false],
    ['registry.example.com', 'registry.example.com./x', false],
    ['registry.example.com:5000', 'registry.example.com:5000/x', true],
    ['registry.example.com:5000', 'registry.example.com:50000/x', false],
    ['registry.example.com:5000', 'registry.example.com/x', false],
    ['registry.example.com/team', 'registry.example.com/team/x', true],
    ['registry.example.com/team', 'registry.example.com/team:tag', true],
    ['registry.example.com/team', `registry.example.com/team@${SHA256}`, true],
    ['registry.example.com/team', 'registry.example.com/teammate/x', false],
    ['registry.example.com/team', 'registry.example.com/team@evil/x', false],
    ['registry.example.com/team', 'registry.example.com/team:evil/x', false],
    ['registry.example.com/team', 'registry.example.com/other/team/x', false],
    ['[2001:db8::1]:5000', '[2001:db8::1]:5000/x', true],
    ['[2001:db8::1]:5000', '[2001:db8::1]:50/x', false],
    ['[2001:db8::1]', '[2001:db8::1]:5000/x', false],
    ['localhost', 'localhost/x', true],
    ['localhost', 'localhost:5000/x', false],
    ['docker.io', 'nginx', true],
    ['docker.io', 'nginx:1.27', true],
    ['docker.io', 'team/app', true],
    ['docker.io', 'index.docker.io/team/app', true],
    ['docker.io', 'docker.io.evil/x', false],
    ['docker.io', 'registry.hub.docker.com/library/x', false],
    ['docker.io/library', 'nginx', true],
    ['docker.io/library', 'docker.io/nginx', true],
    ['docker.io/library', 'index.docker.io/nginx', true],
    ['docker.io/library', 'team/app', false],
    ['docker.io/library', 'library/nginx', true],
    ['docker.io/team', 'team/app:5000', true],
    ['docker.io/team', 'Team/app', false],
  ];
  for (const [registry, image, admitted] of cases) {
    it(`${admitted ? 'admits' : 'does not admit'} ${image} by ${registry}`, () => {
      const found = judge({ registries: [registry] }, image);
      const message = `image ${image} is from none of its workloads.images.registries: use an image from ${registry}`;
      assert.deepEqual(found, admitted ? [] : [message]);
    });
  }

  it('is for init containers, ephemeral containers and image volumes too', () => {
    const [good, bad] = ['registry.example.com/x', 'evil/x'];
    const main = { name: 'main', image: good };
    const registries = ['registry.example.com'];
    for (const spec of [
      { containers: [main], initContainers: [{ name: 'a', image: bad }] },
      { containers: [main], ephemeralContainers: [{ name: 'a', image: bad }] },
      { containers: [main], volumes: [{ name: 'a', image: { reference: bad } }] },
    ])
      assert.equal(imageViolations(limits({ registries }), spec).length, 1, JSON.stringify(spec));
    const volumes = [{ name: 'a' }, { name: 'b', image: {} }];
    assert.deepEqual(imageViolations(limits({ registries }), { containers: [main], volumes }), []);
  });
});

describe('workloads.images.digest and tags', () => {
  const DENIED = { tags: { deny: ['latest', 'main'] } };
  const cases: readonly (readonly [some: Partial<ImageLimits>, image: string, says: RegExp | undefined])[] = [
    [{ digest: 'Required' }, `x@${SHA256}`, undefined],
    [{ digest: 'Required' }, `x:1@${SHA256}`, undefined],
    [{ digest: 'Required' }, 'x:1', /image x:1 has no digest, which its workloads\.images\.digest requires/],
    [{ digest: 'Required' }, 'x@sha256:abc', /has no digest/],
    [{ digest: 'Required' }, `x@${SHA256}/y`, /has no digest/],
    [{ digest: 'Required' }, `x@${SHA256.toUpperCase()}`, /has no digest/],
    [{ digest: 'Required' }, `x@sha512:${'a'.repeat(128)}`, undefined],
    [{ digest: 'Required' }, `x@md5:${'a'.repeat(32)}`, /has no digest/],
    [DENIED, 'x', /image x is used by a tag that its workloads\.images\.tags\.deny names/],
    [DENIED, 'x:latest', /tag/],
    [DENIED, 'registry.example.com:5000/x', /tag/],
    [DENIED, 'registry.example.com:5000/x:main', /tag/],
    [DENIED, 'x:1.2', undefined],
    [DENIED, `x:latest@${SHA256}`, undefined],
    [DENIED, `x@${SHA256}`, undefined],
    [{ ...DENIED, digest: 'Required', exempt: ['docker.io/library/x'] }, 'x', undefined],
    [{ ...DENIED, exempt: ['docker.io/library/x'] }, 'xy', /tag/],
  ];
  for (const [some, image, says] of cases) {
    it(`${says ? 'refuse' : 'admit'} ${image} by ${JSON.stringify(some)}`, () => {
      const [message] = judge(some, image);
      if (says) assert.match(message ?? '', says);
      else assert.equal(message, undefined);
    });
  }
});
