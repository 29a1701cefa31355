#!/bin/sh
# Spread a network card's work over the cores: its interrupts where it has a queue per core, and
# software steering (RPS, RFS) where it has fewer.
#
#   irq-rps.sh show IFACE     what is set now; changes nothing
#   irq-rps.sh apply IFACE    spread; the old values go to /run/ngage-irq-rps.IFACE
#   irq-rps.sh revert IFACE   put the old values back
#
# irqbalance would undo it: stop it first, or leave the interrupts to it.
set -eu

# Flows remembered by RFS (count): above the connections that are active at once.
RFS_FLOWS=1048576

die() { echo "irq-rps: $*" >&2; exit 1; }

[ $# = 2 ] || die "usage: irq-rps.sh show|apply|revert IFACE"
action=$1 iface=$2
queues=/sys/class/net/$iface/queues
saved=/run/ngage-irq-rps.$iface
[ -d "$queues" ] || die "no interface $iface"

cores=$(nproc)

# The cores as the comma-separated hexadecimal mask that sysfs wants, 32 cores a group.
all_cores() {
    left=$cores mask=
    while [ "$left" -gt 0 ]; do
        count=$left
        [ "$count" -le 32 ] || count=32
        mask="$(printf '%x' $(((1 << count) - 1)))${mask:+,$mask}"
        left=$((left - count))
    done
    echo "$mask"
}

irqs() {
    for irq in "/sys/class/net/$iface/device/msi_irqs"/*; do
        [ ! -e "$irq" ] || echo "/proc/irq/${irq##*/}/smp_affinity_list"
    done
}

receive_queues() {
    for queue in "$queues"/rx-*; do echo "$queue"; done
}

files() {
    irqs
    receive_queues | while read -r queue; do
        echo "$queue/rps_cpus"
        echo "$queue/rps_flow_cnt"
    done
    echo /proc/sys/net/core/rps_sock_flow_entries
}

set_value() {
    echo "$2" > "$1" 2>/dev/null || echo "irq-rps: $1 cannot be set to $2, left as it is" >&2
}

show() {
    files | while read -r file; do echo "$file $(cat "$file")"; done
}

apply() {
    [ ! -e "$saved" ] || die "applied already: revert first ($saved)"
    show > "$saved"
    core=0
    for file in $(irqs); do
        set_value "$file" $((core % cores))
        core=$((core + 1))
    done
    count=$(receive_queues | wc -l)
    if [ "$count" -lt "$cores" ]; then
        set_value /proc/sys/net/core/rps_sock_flow_entries $RFS_FLOWS
        for queue in $(receive_queues); do
            set_value "$queue/rps_cpus" "$(all_cores)"
            set_value "$queue/rps_flow_cnt" $((RFS_FLOWS / count))
        done
    fi
    show
}

revert() {
    [ -e "$saved" ] || die "nothing to revert: $saved is not there"
    while read -r file value; do set_value "$file" "$value"; done < "$saved"
    rm "$saved"
    show
}

case $action in
    show | apply | revert) "$action" ;;
    *) die "unknown action $action: show, apply or revert" ;;
esac
