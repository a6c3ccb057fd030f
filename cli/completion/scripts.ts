/**
 * The scripts that teach a shell to complete: each asks `pilotage __complete` for what may stand next. A candidate is a
 * line: the word, a tab, and what it is. No candidate at all means names of files.
 */

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

const bash = `# pilotage completion bash > ~/.local/share/bash-completion/completions/pilotage
_pilotage() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(pilotage __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _pilotage pilotage
`

const zsh = `#compdef pilotage
# pilotage completion zsh > a file _pilotage in a directory of $fpath
_pilotage() {
  local line
  local -a found
  while IFS= read -r line; do
    found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done < <(pilotage __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( \${#found} )); then _describe pilotage found; else _files; fi
}
if [ "\${funcstack[1]}" = _pilotage ]; then _pilotage "$@"; else compdef _pilotage pilotage; fi
`

const fish = `# pilotage completion fish > ~/.config/fish/completions/pilotage.fish
function __pilotage_complete
  set -l found (pilotage __complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
  if test (count $found) -gt 0
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c pilotage -f -a '(__pilotage_complete)'
`

export const completionScripts: Readonly<Record<Shell, string>> = { bash, zsh, fish }
