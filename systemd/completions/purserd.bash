# Completion of purserd(8) for bash.
_purserd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    compopt +o default
    case $before in
        --config) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
        --state) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
        --listen) mapfile -t COMPREPLY < <(compgen -W 'unix: tcp:127.0.0.1:' -- "$word") ;;
        *) mapfile -t COMPREPLY < <(compgen -W '--config --state --listen --check --version --help' -- "$word") ;;
    esac
}
complete -F _purserd purserd
