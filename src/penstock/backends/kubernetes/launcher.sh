# PID 1 of every executor's container: waits for its turn, runs the command, tells what became of it, passes the turn on.
# For busybox's ash, which may prefer its own applets to programs of the image: so the command is looked up here.
# Arguments: step, last step, whether errors are ignored, time limit in seconds, stdin, stdout, stderr, command ...
# Told in /dev/termination-log: start and end (us), exit code, user and system time, peak bytes, OOM kills, overtime; and in
# the attempt's directory, where the agent may see it before the kubelet looks for ended containers (once a second).
bb=/.penstock/launcher/bin/busybox steps=/.penstock/steps run=/.penstock/run told=/dev/termination-log
step=$1 last=$2 ignore=$3 limit=$4 in=$5 out=$6 err=$7
shift 7
umask 027
trap 'exit 143' TERM

now() { # microseconds of the wall clock, by the boot time and the uptime: busybox's date knows seconds only
    read -r up _ </proc/uptime
    up=${up%.*}${up#*.}
    us=$(((boot + ${up#"${up%%[!0]*}"}) * 10000))
}
read_boot() {
    while read -r key value _; do
        if [ "$key" = btime ]; then boot=$((value * 100)); break; fi
    done </proc/stat
    now
    seconds=$($bb date +%s)
    if [ $((us / 1000000)) -lt "$seconds" ]; then boot=$((boot + seconds * 100 - us / 10000)); fi
}
pass() { # the word to the next step; its container may still be starting
    if [ "$step" -lt "$last" ]; then
        next=$steps/$((step + 1))
        $bb mkfifo -m 600 "$next" 2>/dev/null
        echo "$1" >"$next" &
        wait $!
    fi
}
refuse() { # the task asks for what cannot be
    echo "! $1" >$told
    pass skip
    exit 1
}
first_reading() { # of a file of the control group, the first that there is
    for file; do if read -r found 2>/dev/null <"$file"; then return; fi; done
    found=0
}
count_kills() {
    kills=0
    for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do
        [ -r $file ] || continue
        while read -r key value; do if [ "$key" = oom_kill ]; then kills=$value; fi; done <$file
    done
}
look_up() { # what execvp would take: sets program, or code
    code=127 program=
    case $1 in
        */*) candidates=$1 ;;
        *) candidates= IFS=:
           for folder in ${PATH:-/usr/local/bin:/usr/bin:/bin}; do
               if [ -f "${folder:-.}/$1" ]; then
                   code=126
                   if [ -x "${folder:-.}/$1" ]; then candidates=${folder:-.}/$1; break; fi
               fi
           done
           unset IFS ;;
    esac
    if [ -z "$candidates" ] || [ ! -e "$candidates" ]; then return; fi
    if [ -f "$candidates" ] && [ -x "$candidates" ]; then program=$candidates; else code=126; fi
}
end_others() { # whatever the command left running; what keeps the tails goes on
    if [ $$ != 1 ]; then return; fi # only a container of our own may be cleared
    for round in 1 2 3; do
        for entry in /proc/[0-9]*; do
            case " 1 $$ $keep " in *" ${entry#/proc/} "*) ;; *) kill -9 "${entry#/proc/}" 2>/dev/null ;; esac
        done
    done
}
open_out() { # name, path: the path to write to, a pipe to its tail where none was given
    if [ -z "$2" ]; then
        target=$steps/$step.$1
        $bb mkfifo -m 600 "$target"
        $bb tail -c 66560 <"$target" >"$run/$step.$1" &
        keep="$keep $!"
        return
    fi
    case $2 in
        /*/*) $bb mkdir -p "${2%/*}" 2>/dev/null || refuse "The $1 $2 cannot be opened: its folder cannot be made." ;;
    esac
    if [ -e "$2" ] && [ ! -f "$2" ]; then refuse "The $1 $2 cannot be opened: not a regular file."; fi
    (: >"$2") 2>/dev/null || refuse "The $1 $2 cannot be opened: permission denied."
    target=$2
}

turn=go keep=
if [ "$step" -gt 0 ]; then
    $bb mkfifo -m 600 "$steps/$step" 2>/dev/null
    $bb cat "$steps/$step" >"$steps/turn.$step" &
    wait $!
    read -r turn <"$steps/turn.$step"
fi
if [ "$turn" != go ]; then pass "$turn"; exit 0; fi
read_boot
now
began=$us
if [ -n "$limit" ]; then
    if [ "$step" = 0 ]; then echo $((us + limit * 1000000)) >"$steps/until"; fi
    read -r until <"$steps/until"
fi
if [ -n "$in" ]; then
    if [ -e "$in" ] && [ ! -f "$in" ]; then refuse "The stdin $in cannot be opened: not a regular file."; fi
    [ -e "$in" ] || refuse "The stdin $in cannot be opened: No such file or directory."
    [ -r "$in" ] || refuse "The stdin $in cannot be opened: permission denied."
fi
open_out stdout "$out"
stdout=$target
if [ -n "$err" ] && [ "$err" = "$out" ]; then stderr=$out; else open_out stderr "$err"; stderr=$target; fi
look_up "$1"
times >"$steps/times"
if [ -z "$program" ]; then
    # the pipes to the tails want a writer
    echo "$1: $([ $code = 127 ] && echo not found || echo cannot be executed)" >"$stderr"
    : >>"$stdout"
else
    shift
    (
        echo 500 >/proc/self/oom_score_adj # the command goes before this launcher
        exec "$program" "$@"
    ) <"${in:-/dev/null}" >>"$stdout" 2>>"$stderr" &
    command=$!
    if [ -n "$limit" ]; then
        left=$((until - us))
        if [ $left -lt 10000 ]; then left=10000; fi
        (
            trap - TERM
            $bb sleep $(((left + 999999) / 1000000))
            : >"$steps/over"
            kill -9 $command
        ) &
    fi
    wait $command
    code=$?
fi
end_others
now
over=0
if [ -e "$steps/over" ]; then over=1; fi
wait $keep
if [ -n "$out" ]; then $bb tail -c 66560 "$out" >"$run/$step.stdout"; fi
if [ -n "$err" ]; then $bb tail -c 66560 "$err" >"$run/$step.stderr"; fi
times >"$steps/times"
{ read -r _; read -r user system; } <"$steps/times"
first_reading /sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes
count_kills
word="$began $us $code $user $system $found $kills $over"
echo "$word" >$told
echo "$word" >"$run/$step.telling"
$bb mv "$run/$step.telling" "$run/$step.told"
if [ $over = 1 ]; then pass skip; exit 1; fi
if [ $code != 0 ] && [ "$ignore" = 0 ]; then pass skip; exit $code; fi
pass go
exit 0
