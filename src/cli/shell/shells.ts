/** Values of `completion SHELL`; `kubectl` stands for kubectl's own completion of plugins. */
export const SHELLS = ['bash', 'zsh', 'fish', 'kubectl'] as const;
