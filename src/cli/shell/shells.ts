/** What `completion` has a script for: three shells, and kubectl's own completion. */
export const SHELLS = ['bash', 'zsh', 'fish', 'kubectl'] as const;
