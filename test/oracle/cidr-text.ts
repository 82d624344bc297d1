/** Generated addresses and CIDRs in every spelling, close to each other, and invalid text that resembles them. */
import * as fc from 'fast-check';

const octet = fc.oneof(fc.constantFrom('0', '1', '10', '255', '010', '256'), fc.nat(255).map(String));
const dotted = fc.array(octet, { minLength: 4, maxLength: 4 }).map((octets) => octets.join('.'));
const group = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('0', '1', 'ffff', 'fd00', 'FD00', '0000', '00a') },
  { weight: 2, arbitrary: fc.nat(0xffff).map((value) => value.toString(16)) },
  { weight: 1, arbitrary: fc.constantFrom('', '00000', '0abcd', 'g') },
);
const hextets = fc
  .tuple(
    fc.array(group, { maxLength: 8 }),
    fc.option(fc.array(group, { maxLength: 7 })),
    fc.option(dotted, { freq: 3 }),
  )
  .map(([head, tail, end]) =>
    [...(tail === null ? head : [head.join(':'), tail.join(':')]), ...(end === null ? [] : [end])].join(
      tail === null ? ':' : '::',
    ),
  );
export const addressText = fc.oneof(
  dotted,
  hextets,
  fc.ipV6(),
  dotted.map((text) => `::ffff:${text}`),
  fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef:./%')), maxLength: 20 }),
);
export const cidrText = fc
  .tuple(
    addressText,
    fc.oneof(fc.nat(130).map(String), fc.constantFrom('', '08', '-1', '+8', '8 ', '999999999999')),
  )
  .map(([address, prefix]) => `${address}/${prefix}`);
