# Completion of purserd(8) for fish.
complete -c purserd -f
complete -c purserd -l config -r -F -d 'configuration file'
complete -c purserd -l state -x -a '(__fish_complete_directories)' -d 'state directory'
complete -c purserd -l listen -x -a 'unix: tcp:127.0.0.1:7787' -d 'where to listen'
complete -c purserd -l check -d 'read configuration and prices, say what is wrong, and exit'
complete -c purserd -l version -d 'print the version'
complete -c purserd -s h -l help -d 'print help'
