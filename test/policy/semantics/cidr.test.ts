import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import * as fc from 'fast-check';
import {
  canonicalCidr,
  type Cidr,
  containsAddress,
  containsCidr,
  formatAddress,
  formatCidr,
  type IPFamily,
  ipFamily,
  mergeCidrs,
  parseAddress,
  parseCidr,
  singleAddressCidr,
} from '../../../src/policy/semantics/cidr.ts';
import { runs } from '../fixture.ts';

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  assert.ok(parsed, `${text} is a CIDR`);
  return parsed;
};

describe('the canonical spelling of a CIDR', () => {
  const cases: [text: string, canonical: string | undefined][] = [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3/32', '10.1.2.3/32'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['010.020.003.004/08', '10.0.0.0/8'],
    ['2001:DB8:0:0::1/64', '2001:db8::/64'],
    ['::/0', '::/0'],
    ['fd00:0:0:1:0:0:0:1/128', 'fd00:0:0:1::1/128'],
    ['1:0:0:2:0:0:0:3/128', '1:0:0:2::3/128'],
    ['1:0:2:3:4:5:6:7/128', '1:0:2:3:4:5:6:7/128'],
    ['1::2:0:0:3/128', '1::2:0:0:3/128'],
    ['64:ff9b::192.0.2.33/96', '64:ff9b::/96'],
    ['::ffff:10.1.2.3/104', '10.0.0.0/8'],
    ['::ffff:a01:203/128', '10.1.2.3/32'],
    ['::ffff:0:0/95', '::fffe:0:0/95'],
    ['10.0.0.0', undefined],
    ['10.0.0/8', undefined],
    ['10.0.0.0.0/8', undefined],
    ['10.0.0.256/8', undefined],
    ['10.0.0.0/33', undefined],
    ['10.0.0.0/', undefined],
    ['10.0.0.0/-1', undefined],
    ['10.0.0.0/8/8', undefined],
    ['0x0a.0.0.0/8', undefined],
    ['10.0.0.0 /8', undefined],
    ['::/129', undefined],
    ['1::2::3/64', undefined],
    ['1:2:3:4:5:6:7/64', undefined],
    ['1:2:3:4:5:6:7:8:9/64', undefined],
    ['1:2:3:4::5:6:7:8/64', undefined],
    ['fe80::1%eth0/64', undefined],
    ['1.2.3.4::/64', undefined],
    ['12345::/64', undefined],
    ['', undefined],
    ['/8', undefined],
  ];
  for (const [text, canonical] of cases) {
    it(`of ${JSON.stringify(text)} is ${canonical ?? 'none'}`, () =>
      assert.equal(canonicalCidr(text), canonical));
  }
});

describe('an address', () => {
  it('has a family, also as a CIDR', () => {
    assert.equal(ipFamily('10.0.0.1'), 4);
    assert.equal(ipFamily('fd00::1'), 6);
    assert.equal(ipFamily('::ffff:10.0.0.1'), 4);
    assert.equal(ipFamily('10.0.0.0/8'), 4);
    assert.equal(ipFamily('fd00::/8'), 6);
    assert.equal(ipFamily('example.org'), undefined);
  });

  it('is alone in its /32 or /128', () => {
    assert.equal(singleAddressCidr('10.0.0.1'), '10.0.0.1/32');
    assert.equal(singleAddressCidr('FD00::0:1'), 'fd00::1/128');
    assert.equal(singleAddressCidr('::ffff:10.0.0.1'), '10.0.0.1/32');
    assert.equal(singleAddressCidr('10.0.0.0/8'), undefined);
  });

  it('is spelled so that it reads back as itself', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
        const address = parseAddress(text);
        assert.ok(address);
        assert.ok(isIP(formatAddress(address)) === address.family);
        assert.deepEqual(parseAddress(formatAddress(address)), address);
      }),
      { numRuns: runs(2000) },
    );
  });

  it('is in a CIDR exactly where Node’s BlockList says so', () => {
    const pair = fc.oneof(
      fc.tuple(fc.ipV4(), fc.ipV4(), fc.nat(32)),
      fc.tuple(fc.ipV6(), fc.ipV6(), fc.nat(128)),
    );
    fc.assert(
      fc.property(pair, fc.boolean(), ([network, other, prefix], near) => {
        const range = cidr(`${network}/${prefix}`);
        // Half of the time an address of the range, or the one after it.
        const address = near
          ? { family: range.family, value: range.last + BigInt(prefix % 2) }
          : parseAddress(other);
        assert.ok(address);
        const list = new BlockList();
        const family = range.family === 4 ? 'ipv4' : 'ipv6';
        const text = formatAddress(address);
        fc.pre(
          address.family === range.family &&
            isIP(text) === range.family &&
            parseAddress(text)?.value === address.value,
        );
        list.addSubnet(formatAddress({ family: range.family, value: range.first }), range.prefix, family);
        assert.equal(containsAddress(range, address), list.check(text, family));
      }),
      { numRuns: runs(2000) },
    );
  });
});

describe('a CIDR', () => {
  const cases: [outer: string, inner: string, contains: boolean][] = [
    ['10.0.0.0/8', '10.1.0.0/16', true],
    ['10.0.0.0/8', '10.0.0.0/8', true],
    ['10.1.0.0/16', '10.0.0.0/8', false],
    ['10.0.0.0/8', '11.0.0.0/16', false],
    ['0.0.0.0/0', '::/0', false],
    ['::/0', '0.0.0.0/0', false],
    ['::/0', 'fd00::/8', true],
    ['10.0.0.0/8', '::ffff:10.1.0.0/112', true],
  ];
  for (const [outer, inner, contains] of cases) {
    it(`${outer} ${contains ? 'contains' : 'does not contain'} ${inner}`, () =>
      assert.equal(containsCidr(cidr(outer), cidr(inner)), contains));
  }
});

describe('merged CIDRs', () => {
  const merge = (...texts: string[]) => mergeCidrs(texts.map(cidr)).map(formatCidr);

  it('join the two halves of a range, up to the top', () => {
    assert.deepEqual(merge('10.0.1.0/24', '10.0.0.0/24', '10.0.2.0/23'), ['10.0.0.0/22']);
    assert.deepEqual(merge('0.0.0.0/1', '128.0.0.0/1'), ['0.0.0.0/0']);
    assert.deepEqual(merge('8000::/1', '::/1'), ['::/0']);
  });
  it('do not join neighbours that are no halves', () =>
    assert.deepEqual(merge('10.0.1.0/24', '10.0.2.0/24'), ['10.0.1.0/24', '10.0.2.0/24']));
  it('drop what another holds, and duplicates in any spelling', () =>
    assert.deepEqual(merge('10.0.0.0/8', '10.1.0.0/16', '10.9.9.9/8', 'fd00::/8'), [
      '10.0.0.0/8',
      'fd00::/8',
    ]));
  it('keep the families apart', () => assert.deepEqual(merge('::/1', '0.0.0.0/1'), ['0.0.0.0/1', '::/1']));

  /** Ranges within sixteen addresses, so that every address can be asked. */
  const small = (family: IPFamily): fc.Arbitrary<Cidr> =>
    fc
      .tuple(fc.nat(15), fc.integer({ min: family === 4 ? 28 : 124, max: family === 4 ? 32 : 128 }))
      .map(([host, prefix]) =>
        cidr(family === 4 ? `10.0.0.${host}/${prefix}` : `fd00::${host.toString(16)}/${prefix}`),
      );
  const smalls = fc.array(fc.oneof(small(4), small(6)), { maxLength: 12 });
  const members = (cidrs: readonly Cidr[]) =>
    Array.from({ length: 16 }, (_, i) => [
      parseAddress(`10.0.0.${i}`),
      parseAddress(`fd00::${i.toString(16)}`),
    ])
      .flat()
      .map((address) => cidrs.some((range) => address && containsAddress(range, address)));

  it('hold exactly the same addresses', () => {
    fc.assert(
      fc.property(smalls, (cidrs) => assert.deepEqual(members(mergeCidrs(cidrs)), members(cidrs))),
      { numRuns: runs(2000) },
    );
  });

  it('are the same list for the same addresses, and no two of them could be one', () => {
    fc.assert(
      fc.property(smalls, (cidrs) => {
        const merged = mergeCidrs(cidrs);
        const single = cidrs.flatMap(({ family, first, last }) =>
          Array.from({ length: Number(last - first) + 1 }, (_, i) =>
            cidr(`${formatAddress({ family, value: first + BigInt(i) })}/${family === 4 ? 32 : 128}`),
          ),
        );
        assert.deepEqual(mergeCidrs(single), merged);
        assert.deepEqual(mergeCidrs(merged.toReversed()), merged);
      }),
      { numRuns: runs(1000) },
    );
  });
});
