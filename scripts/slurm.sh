#!/usr/bin/env bash
# A real Slurm of two small nodes on this machine, for tests: everything it writes lies in one folder, everything it
# listens on is loopback, and stopping it ends only the processes that it started.
#
#   slurm.sh install [--accounting]          Debian's packages (as root); their own services are not started
#   slurm.sh start FOLDER [--accounting]     then: export SLURM_CONF=FOLDER/slurm.conf
#   slurm.sh stop FOLDER
#   slurm.sh kill FOLDER node1               kill -9 of a node's daemon, as when a machine hangs
#   slurm.sh up FOLDER node1                 start it again
#
# The nodes have two CPUs each, whatever the machine has. Partitions: low (default; jobs are requeued when high needs
# their place), high, and tiny (one minute at most). Environment: SLURM_MAX_ARRAY (MaxArraySize, 1001),
# SLURM_GRACE (seconds between the warning and the end of a preempted job, 20), SLURM_NODE_TIMEOUT (seconds until a
# silent node counts as down, 15).
set -euo pipefail

packages="slurm-wlm munge"
daemons="mariadbd slurmdbd slurmctld slurmd munged"

fail() {
    echo "slurm.sh: $1" >&2
    exit 2
}

install() {
    [ "${1:-}" = --accounting ] && packages="$packages slurmdbd mariadb-server"
    [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] || fail "installing needs root on Debian"
    export DEBIAN_FRONTEND=noninteractive
    local policy=/usr/sbin/policy-rc.d mine=
    if [ ! -e $policy ]; then # no service of the packages may start by itself
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && mine=yes
    fi
    local get="timeout 300 apt-get -o DPkg::Lock::Timeout=60 install -y -qq --no-install-recommends $packages" code=0
    { $get || { timeout 120 apt-get update -qq && $get; }; } >/dev/null 2>&1 || code=$?
    [ -z "$mine" ] || rm -f $policy
    [ "$code" = 0 ] || fail "$packages could not be installed"
}

# A port of loopback that nobody listens on; the search starts at a random place.
free_port() {
    local port
    for _ in $(seq 50); do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port" && return; }
    done
    fail "no free port"
}

# Start a daemon with its own session and note its pid; the rest is its command line.
daemon() {
    local name=$1
    shift
    setsid nohup "$@" >>"$folder/log/$name.out" 2>&1 </dev/null &
    echo $! >"$folder/pid/$name"
}

# Wait until a command succeeds.
await() {
    local what=$1
    shift
    for _ in $(seq 150); do
        "$@" >/dev/null 2>&1 && return
        sleep 0.2
    done
    fail "$what did not start; see $folder/log"
}

start_node() {
    mkdir -p "$folder/spool/$1"
    daemon "slurmd-$1" /usr/sbin/slurmd -D -N "$1" -f "$folder/slurm.conf"
    await "slurmd of $1" bash -c "exec 3<>/dev/tcp/127.0.0.1/$(cat "$folder/port/$1")"
}

start_munge() {
    mkdir -p "$folder/munge"
    chmod 0700 "$folder/munge"
    (umask 077 && dd if=/dev/urandom of="$folder/munge/key" bs=128 count=1 2>/dev/null)
    daemon munged /usr/sbin/munged --force --foreground --key-file="$folder/munge/key" --num-threads=2 \
        --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" --log-file="$folder/log/munged.log" \
        --seed-file="$folder/munge/seed"
    await munged test -S "$folder/munge/socket"
}

start_database() {
    local data=$folder/db dbport
    mkdir -p "$data"
    mariadb-install-db --no-defaults --user=root --datadir="$data" --auth-root-authentication-method=normal \
        --skip-test-db >"$folder/log/mariadb-install.out" 2>&1
    daemon mariadbd /usr/sbin/mariadbd --no-defaults --user=root --datadir="$data" --socket="$folder/db.socket" \
        --pid-file="$data/pid" --skip-networking --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900
    await mariadbd mariadb --no-defaults --socket="$folder/db.socket" --user=root -e "create database slurm"
    dbport=$(free_port)
    echo "$dbport" >"$folder/port/slurmdbd"
    cat >"$folder/slurmdbd.conf" <<END
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$dbport
SlurmUser=root
CommunicationParameters=NoInAddrAny
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm
LogFile=$folder/log/slurmdbd.log
PidFile=$folder/pid/slurmdbd.self
END
    chmod 0600 "$folder/slurmdbd.conf"
    # slurmdbd finds its configuration beside slurm.conf, and the database's socket through the client library.
    MYSQL_UNIX_PORT=$folder/db.socket SLURM_CONF=$folder/slurm.conf daemon slurmdbd /usr/sbin/slurmdbd -D
    await slurmdbd bash -c "exec 3<>/dev/tcp/127.0.0.1/$dbport"
}

write_conf() {
    local storage=AccountingStorageType=accounting_storage/none name
    for name in slurmctld node1 node2; do free_port >"$folder/port/$name"; done
    [ -z "$accounting" ] || storage="AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$(cat "$folder/port/slurmdbd")
AccountingStoragePass=$folder/munge/socket
AccountingStoreFlags=job_comment"
    cat >"$folder/slurm.conf" <<END
ClusterName=assay
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$(cat "$folder/port/slurmctld")
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# A requeued job waits this long before it may start again; 120 by default, and anything under 5 counts as that.
AuthInfo=socket=$folder/munge/socket,cred_expire=6
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool/%n
SlurmctldPidFile=$folder/pid/slurmctld.self
SlurmdPidFile=$folder/pid/slurmd-%n.self
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmdTimeout=${SLURM_NODE_TIMEOUT:-15}
KillWait=10
MinJobAge=300
JobRequeue=1
MaxArraySize=${SLURM_MAX_ARRAY:-1001}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=UsePss,OverMemoryKill
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=100000
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
$storage
NodeName=node1 NodeAddr=127.0.0.1 NodeHostname=$(hostname -s) Port=$(cat "$folder/port/node1") CPUs=2 RealMemory=8000
NodeName=node2 NodeAddr=127.0.0.1 NodeHostname=$(hostname -s) Port=$(cat "$folder/port/node2") CPUs=2 RealMemory=8000
PartitionName=low Nodes=ALL Default=YES PriorityTier=1 PreemptMode=REQUEUE GraceTime=${SLURM_GRACE:-20}
PartitionName=high Nodes=ALL PriorityTier=10 PreemptMode=OFF
PartitionName=tiny Nodes=ALL PriorityTier=1 MaxTime=1
END
}

start() {
    [ "$(id -u)" = 0 ] || fail "starting needs root"
    for name in munged slurmctld slurmd; do
        [ -x "/usr/sbin/$name" ] || fail "$name is not installed (slurm.sh install)"
    done
    [ -z "$accounting" ] || [ -x /usr/sbin/slurmdbd ] || fail "slurmdbd is not installed (slurm.sh install --accounting)"
    # Slurm listens on the address of the machine's own name, and nothing but loopback will do here.
    case "$(getent hosts "$(hostname -s)")" in 127.* | ::1*) ;; *) fail "this machine's name is not a loopback address" ;; esac
    [ ! -e "$folder/slurm.conf" ] || fail "$folder holds a Slurm already"
    mkdir -p "$folder"/{log,pid,port,spool,state}
    chmod 0755 "$folder"
    start_munge
    # slurmdbd reads slurm.conf for the cluster's name, so a first one is there before it starts.
    local wanted=$accounting
    accounting='' write_conf
    if [ -n "$wanted" ]; then
        start_database
        accounting=$wanted write_conf
    fi
    export SLURM_CONF=$folder/slurm.conf
    [ -z "$wanted" ] || sacctmgr -i add cluster assay >"$folder/log/sacctmgr.out" 2>&1 || true
    daemon slurmctld /usr/sbin/slurmctld -D -f "$folder/slurm.conf"
    await slurmctld scontrol ping
    start_node node1
    start_node node2
    await "a node" bash -c '[ "$(sinfo -h -N -p low -t idle -o %N | sort -u | wc -l)" = 2 ]'
    echo "export SLURM_CONF=$folder/slurm.conf"
}

# End a process that this script started: by its noted pid, if it still is one of ours.
end() {
    local file=$1 signal=$2 pid
    pid=$(cat "$file" 2>/dev/null) || return 0
    case " $daemons " in *" $(cat "/proc/$pid/comm" 2>/dev/null || echo gone) "*) kill "-$signal" "$pid" 2>/dev/null || true ;; esac
}

# The pid files whose process still runs.
alive() {
    local file
    for file in "$folder"/pid/*; do
        kill -0 "$(cat "$file")" 2>/dev/null && echo "$file"
    done
    return 0
}

# Steps outlive their node's daemon; those of this folder name its spool or its configuration.
steps() {
    local pid
    for pid in $(pgrep -x slurmstepd || true); do
        tr '\0' '\n' <"/proc/$pid/environ" 2>/dev/null | grep -qxF "SLURM_CONF=$folder/slurm.conf" && echo "$pid"
    done
    return 0
}

stop() {
    [ -e "$folder/slurm.conf" ] || return 0
    export SLURM_CONF=$folder/slurm.conf
    if timeout 5 scontrol ping >/dev/null 2>&1; then
        timeout 10 scancel --full --signal=KILL --user=root >/dev/null 2>&1 || true
        timeout 10 scancel --user=root >/dev/null 2>&1 || true
        for _ in $(seq 20); do
            [ -n "$(timeout 5 squeue -h 2>/dev/null || true)" ] || break
            sleep 0.25
        done
    fi
    local file
    for file in "$folder"/pid/{slurmctld,slurmd-node1,slurmd-node2,slurmdbd,mariadbd,munged}; do end "$file" TERM; done
    for _ in $(seq 60); do
        [ -n "$(alive)" ] || break
        sleep 0.1
    done
    for file in $(alive); do end "$file" KILL; done
    local pid
    for pid in $(steps); do kill -KILL "$pid" 2>/dev/null || true; done
    rm -f "$folder/slurm.conf"
}

command=${1:-}
case "$command" in
install) install "${2:-}" && exit ;;
start | stop | kill | up) [ -n "${2:-}" ] || fail "$command needs a folder" ;;
*) fail "usage: slurm.sh install|start|stop|kill|up (see the head of the script)" ;;
esac
folder=$(realpath -m "$2")
accounting=
[ "${3:-}" != --accounting ] || accounting=yes
case "$command" in
start) start ;;
stop) stop ;;
kill) end "$folder/pid/slurmd-${3:?which node}" KILL ;;
up) start_node "${3:?which node}" ;;
esac
