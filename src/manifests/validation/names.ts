/** Names, keys and values whose form the API server checks. Each function returns what is wrong, or undefined. Pure. */

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const DNS_LABEL = new RegExp(`^${LABEL}$`);
const DNS_SUBDOMAIN = new RegExp(`^${LABEL}(\\.${LABEL})*$`);
const NAME_PART = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;

type Message = string | undefined;

export function dnsLabelProblem(name: string): Message {
  if (name.length > 63) return `must be at most 63 characters, and has ${name.length}`;
  return DNS_LABEL.test(name)
    ? undefined
    : `"${name}" must consist of lower-case letters, digits and "-", and begin and end with a letter or digit`;
}

export function dnsSubdomainProblem(name: string): Message {
  if (name.length > 253) return `must be at most 253 characters, and has ${name.length}`;
  return DNS_SUBDOMAIN.test(name)
    ? undefined
    : `"${name}" must consist of lower-case letters, digits, "-" and ".", and each part begin and end with a letter or digit`;
}

/** Names of roles, their bindings and APIServices, which need only be a part of a URL's path. */
export function pathSegmentProblem(name: string): Message {
  return name === '.' || name === '..' || /[/%]/.test(name)
    ? `"${name}" must have no "/" and no "%", and must not be "." or ".."`
    : undefined;
}

/** Keys of labels and annotations: `NAME` or `PREFIX/NAME`. */
export function qualifiedNameProblem(key: string): Message {
  const parts = key.split('/');
  const [prefix, name] = parts.length === 1 ? [undefined, key] : parts;
  if (parts.length > 2 || name === undefined || name.length === 0)
    return `"${key}" must be NAME or PREFIX/NAME`;
  if (prefix !== undefined) {
    const problem = prefix === '' ? 'must not be empty' : dnsSubdomainProblem(prefix);
    if (problem !== undefined) return `the prefix of "${key}" ${problem}`;
  }
  if (name.length > 63) return `the name in "${key}" must be at most 63 characters, and has ${name.length}`;
  return NAME_PART.test(name)
    ? undefined
    : `the name in "${key}" must consist of letters, digits, "-", "_" and ".", and begin and end with a letter or digit`;
}

export function labelValueProblem(value: string): Message {
  if (value.length > 63) return `"${value}" must be at most 63 characters, and has ${value.length}`;
  return value === '' || NAME_PART.test(value)
    ? undefined
    : `"${value}" must consist of letters, digits, "-", "_" and ".", and begin and end with a letter or digit`;
}

export function portNumberProblem(port: number): Message {
  return port >= 1 && port <= 65_535 ? undefined : `${port} must be between 1 and 65535`;
}

/** Names of ports (RFC 6335). */
export function portNameProblem(name: string): Message {
  if (/^\d+$/.test(name))
    return `"${name}" is a text without a letter: write ${name} without quotes for the number`;
  const isName =
    name.length <= 15 &&
    /^[-a-z0-9]+$/.test(name) &&
    /[a-z]/.test(name) &&
    !name.includes('--') &&
    !/^-|-$/.test(name);
  return isName
    ? undefined
    : `"${name}" must be at most 15 characters: lower-case letters, digits and single "-" between them, at least one letter`;
}
