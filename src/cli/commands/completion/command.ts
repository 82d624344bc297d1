/** `completion`: prints scripts by which a shell, or kubectl, asks the plugin for candidates. */
import type { Command } from '../../shell/command.ts';
import { SHELLS } from '../../shell/shells.ts';
import { didYouMean } from '../../../util/text/suggest.ts';
import { EXIT, UsageError } from '../../shell/failure.ts';

/** The executable whose command lines the scripts complete. */
const PROGRAM = 'kubectl-segmentation';

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# bash completion of ${PROGRAM}
_kubectl_segmentation() {
  local IFS=$'\\n' line directive
  local words=("\${COMP_WORDS[@]:1:COMP_CWORD}")
  COMPREPLY=()
  while IFS= read -r line; do
    case "$line" in
      :*) directive="\${line#:}" ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(${PROGRAM} __complete "\${words[@]}" 2>/dev/null)
  case "$directive" in
    0) compopt -o filenames; COMPREPLY+=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}")) ;;
    16) compopt -o filenames; COMPREPLY+=($(compgen -d -- "\${COMP_WORDS[COMP_CWORD]}")) ;;
  esac
}
complete -F _kubectl_segmentation ${PROGRAM}
`,
  zsh: `#compdef ${PROGRAM}
_kubectl_segmentation() {
  local -a candidates
  local line directive
  while IFS= read -r line; do
    case "$line" in
      :*) directive="\${line#:}" ;;
      *) candidates+=("\${\${line//:/\\\\:}/$'\\t'/:}") ;;
    esac
  done < <(${PROGRAM} __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  case "$directive" in
    0) _files ;;
    16) _files -/ ;;
  esac
  (( \${#candidates} )) && _describe '${PROGRAM}' candidates
}
compdef _kubectl_segmentation ${PROGRAM}
`,
  fish: `# fish completion of ${PROGRAM}
function __kubectl_segmentation
  set -l words (commandline -opc) (commandline -ct)
  for line in (${PROGRAM} __complete $words[2..-1] 2>/dev/null)
    switch $line
      case ':0'
        __fish_complete_path (commandline -ct)
      case ':16'
        __fish_complete_directories (commandline -ct)
      case ':*'
      case '*'
        echo $line
    end
  end
end
complete -c ${PROGRAM} -f -a '(__kubectl_segmentation)'
`,
  kubectl: `#!/bin/sh
# kubectl runs this, from the PATH, to complete a line that begins with kubectl segmentation.
exec ${PROGRAM} __complete "$@"
`,
};

export const completion: Command = {
  name: 'completion',
  summary: 'print the script for completion in bash, zsh or fish, or for that of kubectl',
  usage: 'SHELL',
  words: [1, 1],
  description: [
    `Prints a script for completion. SHELL is one of ${SHELLS.join(', ')}: the first three complete lines that begin\n` +
      `with ${PROGRAM}; with the last, put on the PATH as kubectl_complete-segmentation, kubectl's own completion\n` +
      '(1.26 and later) completes kubectl segmentation.',
  ],
  examples: [
    {
      what: "for kubectl's own completion",
      line: `kubectl segmentation completion kubectl | install -m 755 /dev/stdin ~/.local/bin/kubectl_complete-segmentation`,
    },
    { what: 'bash, in ~/.bashrc', line: `source <(kubectl segmentation completion bash)` },
    {
      what: 'fish',
      line: `kubectl segmentation completion fish > ~/.config/fish/completions/${PROGRAM}.fish`,
    },
  ],
  flags: [],
  formats: [],
  takes: { cluster: false, namespaces: false },
  completes: 'shells',
  run({ words: [shell = ''], terminal }) {
    const script = SCRIPTS[shell];
    if (script === undefined) {
      throw new UsageError(
        `no completion for ${shell}; there is ${SHELLS.join(', ')}${didYouMean(shell, SHELLS)}`,
      );
    }
    terminal.write(script);
    return Promise.resolve(EXIT.yes);
  },
};
