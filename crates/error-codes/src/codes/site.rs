//! Codes of a site before an operation: preflight and configuration.

use crate::code::registry;
use crate::{Code, ExitClass};

registry! {
    // LF30: site preflight.
    NOT_ROOT = "LF3001", NotReady, "Landfall must run as root", "Run the same command as root.";
    WRONG_PLATFORM = "LF3002", NotReady, "The bundle is for another processor architecture", "Ask the vendor for a \
        bundle for this architecture, or use another machine.";
    KERNEL_TOO_OLD = "LF3003", NotReady, "The kernel is too old", "Install a newer kernel of the operating system, or \
        a supported operating system.";
    SYSTEMD_MISSING = "LF3004", NotReady, "systemd does not run as pid 1", "Use a supported operating system, booted \
        normally.";
    CGROUPS_UNFIT = "LF3005", NotReady, "Control groups lack what Kubernetes needs", "Boot with the named controllers \
        enabled.";
    TOO_FEW_CORES = "LF3006", NotReady, "The machine has too few processor cores", "Use a machine with as many cores \
        as the release needs.";
    TOO_LITTLE_MEMORY = "LF3007", NotReady, "The machine has too little memory", "Use a machine with as much memory as \
        the release needs.";
    TOO_LITTLE_SPACE = "LF3008", NotReady, "A filesystem has too little free space", "Free space on the named \
        filesystem, or mount a larger one there.";
    TOO_FEW_INODES = "LF3009", NotReady, "A filesystem has too few free inodes", "Remove files from the named \
        filesystem, or recreate it with more inodes.";
    READ_ONLY = "LF3010", NotReady, "A filesystem is mounted read-only", "Remount it read-write.";
    PORT_IN_USE = "LF3011", NotReady, "Ports that the site needs are in use", "Stop the programs that listen on the \
        named ports; `ss -ltnp` shows them.";
    OTHER_KUBERNETES = "LF3012", NotReady, "Another Kubernetes or container runtime is on this machine", "Uninstall it \
        with its own tool, or use another machine. Interfaces and packet-filter rules that it left are gone after a \
        reboot.";
    BAD_HOSTNAME = "LF3013", NotReady, "The hostname is not a valid node name", "Set a name of lower-case letters, \
        digits, `-` and `.` with `hostnamectl set-hostname`.";
    NO_ADDRESS = "LF3014", NotReady, "The host has no address that the cluster can use", "Connect and configure a \
        network interface; it needs no access to other networks.";
    ADDRESS_AMBIGUOUS = "LF3015", NotReady, "The host has several addresses and no default route to choose one", "Set \
        `node.address` in the site configuration.";
    ADDRESS_NOT_HERE = "LF3016", NotReady, "The address in the site configuration is not one of this host", "Correct \
        `node.address` in the site configuration.";
    RANGES_OVERLAP = "LF3017", NotReady, "An address range of the cluster overlaps a network of the host", "Set other \
        ranges in the site configuration.";
    MODULE_MISSING = "LF3018", NotReady, "The kernel lacks a module", "Install the package of the operating system \
        that contains the named module.";
    CLOCK_WRONG = "LF3019", NotReady, "The clock is earlier than the release", "Set the clock with `timedatectl \
        set-time`.";
    NOT_READY = "LF3020", NotReady, "The site is not ready", "Remove every blocker that is listed, then run the same \
        command again.";
    FACTS_FILE = "LF3021", Usage, "The facts of a host cannot be used", "Collect them again with `landfall facts` on \
        that host.";
    NO_EXEC = "LF3022", NotReady, "Programs cannot run from a filesystem that will hold them", "Mount it with `exec`: \
        `mount -o remount,exec PATH`, and without `noexec` in /etc/fstab.";
    FIREWALL_CLOSED = "LF3023", NotReady, "A firewall blocks traffic from pods", "Allow traffic from the addresses of \
        pods, or turn the firewall off.";
    SELINUX_ENFORCING = "LF3024", NotReady, "SELinux enforces rules that keep programs in the data folder from \
        starting", "Set `SELINUX=permissive` in /etc/selinux/config and run `setenforce 0`.";
    DATA_FILESYSTEM = "LF3025", NotReady, "The data folder is on an unsuitable filesystem", "Mount a local ext4 \
        filesystem, or XFS made with `ftype=1`, at /var/lib/landfall.";
    MOUNT_NOT_PERMANENT = "LF3026", NotReady, "The mount of the data folder does not survive a reboot", "Add the mount \
        to /etc/fstab, or enable a systemd mount unit.";
    IPV6_UNSUPPORTED = "LF3027", NotReady, "Landfall does not support IPv6 yet", "Give the host an IPv4 address, and \
        set only IPv4 ranges in the site configuration.";
    RULE_NOT_MET = "LF3028", NotReady, "A rule of the release is not met", "Do what the rule says, or ask the vendor.";
    RULE_UNUSABLE = "LF3029", NotReady, "A rule of the release cannot be evaluated here", "Ask the vendor for a \
        release whose rule works here, and send the facts of this host along.";
    // LF303x and LF304x: GPUs.
    GPU_PROBE_NOT_RUN = "LF3030", NotReady, "The program that reads GPU facts could not be started", "Check that \
        `landfall-gpu` exists and that its filesystem is mounted with `exec`; it needs glibc 2.34 or newer.";
    GPU_PROBE_TIMED_OUT = "LF3031", NotReady, "The program that reads GPU facts timed out", "Look for `NVRM` in \
        `dmesg`: a driver that hangs needs a reboot of the host.";
    GPU_FACTS_MALFORMED = "LF3032", NotReady, "The facts about GPUs cannot be used", "Run `landfall-gpu` on that host \
        and look at what it prints.";
    GPU_FACTS_SCHEMA = "LF3033", Usage, "The facts about GPUs have an unknown schema", "Collect them with the \
        `landfall-gpu` of the same release as this `landfall`.";
    GPU_NO_DRIVER = "LF3034", NotReady, "The host has an NVIDIA GPU, but NVIDIA's driver is not loaded", "Install \
        NVIDIA's driver for this distribution and reboot; `nouveau` must not hold the GPU.";
    GPU_NO_LIBRARY = "LF3035", NotReady, "NVIDIA's driver is loaded, but its library NVML is missing", "Install the \
        package of the driver that has `libnvidia-ml.so.1`, in the version of the loaded driver.";
    GPU_VERSION_MISMATCH = "LF3036", NotReady, "NVIDIA's driver and its libraries have different versions", "Reboot \
        the host: the driver was updated while the older one was loaded.";
    GPU_NOT_PERMITTED = "LF3037", NotReady, "This process may not use NVIDIA's driver", "Run as root, or give read and \
        write permission for `/dev/nvidia*`; in a container, pass the devices in.";
    GPU_DRIVER_TOO_OLD = "LF3038", NotReady, "NVIDIA's driver is too old for the release", "Install the named driver \
        version or a newer one, then reboot.";
    GPU_DEVICE_LOST = "LF3039", NotReady, "A GPU does not answer", "Look for `Xid` in `dmesg`, then power the host off \
        and on; a GPU that is lost again must be replaced.";
    GPU_DRIVER_FAILS = "LF3040", NotReady, "NVIDIA's driver fails", "Look for `NVRM` in `dmesg`; `nvidia-smi` should \
        answer before Landfall can use the GPUs.";
    GPU_FABRIC_MANAGER = "LF3041", NotReady, "GPUs are connected by NVSwitch, but Fabric Manager is not running",
    "Install NVIDIA's Fabric Manager in exactly the version of the driver, and enable its service.";
    GPU_MISSING = "LF3042", NotReady, "The release needs a GPU, and the host has none that it can use", "Use a machine \
        with the GPUs that the release needs; in a virtual machine, pass them through to it.";
    GPU_TOO_FEW = "LF3043", NotReady, "The host has too few GPUs that meet the release's needs", "Use a machine with \
        as many GPUs of the required kind as the release needs.";
    GPU_NOT_KNOWN = "LF3044", NotReady, "The host's GPUs are unknown", "Collect the facts again with this version of \
        `landfall facts`.";
    GPU_UNHEALTHY = "LF3045", NotReady, "A GPU works, but reports a problem", "Do what the message names before users \
        depend on the GPU.";
    // LF305x: more about a site before an operation.
    FIREWALL_FLUSHES = "LF3050", NotReady, "The host's firewall deletes the cluster's rules whenever it starts",
        "In the file of the firewall's rules, replace `flush ruleset` with one `flush table` for each table of your \
            own.";
    LICENSE_UNJUDGED = "LF3051", NotReady, "The license was not checked", "Run the same command with `--trust`, and \
        with `--license FILE` if the vendor sent a license.";
    ACCEPTED_UNKNOWN = "LF3052", Usage, "The name to accept belongs to no finding", "Name a warning as `landfall \
        preflight` names it.";
    NO_NAMESERVER = "LF3053", NotReady, "The host has no nameserver that pods can reach", "If pods must resolve names \
        outside of the cluster, add a `nameserver` other than a loopback address to /etc/resolv.conf before the \
        install.";
    SWAP_ON = "LF3054", NotReady, "Swap is on", "Turn it off (`swapoff --all`), and remove it from /etc/fstab: etcd \
        and databases are slow while they are swapped out.";
    PROGRAM_RULES = "LF3055", NotReady, "fapolicyd decides which programs may run", "Allow the programs below \
        /var/lib/landfall in a file of /etc/fapolicyd/rules.d, and load it with `fagenrules --load`.";
    SLOW_SYNC = "LF3056", NotReady, "The disk of the data folder is slow to make writes durable", "Use a disk that \
        completes 99 of 100 synced writes within 10 ms, such as an SSD: etcd waits for each.";
    GLIBC_TOO_OLD = "LF3057", NotReady, "The C library is too old for the program that reads GPU facts", "Use a \
        release of the operating system with glibc 2.34 or newer, such as Debian 12, Ubuntu 22.04 or Red Hat \
        Enterprise Linux 9.";
    FIREWALL_INBOUND = "LF3058", NotReady, "A firewall keeps other hosts from the services of the site", "Run the \
        commands that the message names, if other hosts should reach the console or other services.";
    DISTRIBUTION = "LF3059", NotReady, "The distribution is not one on which Landfall is supported", "Use a current \
        one, such as Debian 12 or newer, Ubuntu 22.04 or newer, or Red Hat Enterprise Linux 9 or newer.";
    KERNEL_OPTIONS = "LF3060", NotReady, "The kernel was built without what Kubernetes needs", "Use the distribution's \
        own kernel, or build this one with the options that the message names.";
    ENDPOINT_SECURITY = "LF3061", NotReady, "A program of endpoint security watches files and processes", "Exclude \
        /var/lib/landfall and /var/lib/kubelet from its scans: it may slow down or stop programs of containers.";
    HARDWARE_CLOCK = "LF3062", NotReady, "The hardware clock differs from the system's clock", "Write the system's \
        clock to it (`hwclock --systohc`): the next boot starts from it.";
    NO_BARRIERS = "LF3063", NotReady, "The filesystem of the data folder may lose synced writes in a power cut",
    "Mount it with barriers, and remove the option from /etc/fstab.";
    MODEL_UNFIT = "LF3064", NotReady, "A model of the release does not run on this host with these settings", "Compare \
        with `landfall models fit`: set other figures under `values` in the site configuration, or ask the vendor for \
        a model that fits.";
    NODE_GLIBC_TOO_OLD = "LF3065", NotReady, "The C library is too old for the release's programs", "Use a newer \
        release of the operating system, or ask the vendor for a release whose node programs are statically linked.";
    HOST_PACK_UNFIT = "LF3066", NotReady, "The host pack has no packages for this host", "Ask the vendor for a host \
        pack with packages for the named distribution, or install them from the distribution's repository.";
    HOST_PACK_CONFLICT = "LF3067", NotReady, "Another version of what the host pack brings is installed", "Remove it \
        with the program that installed it, or run `landfall uninstall`, which removes an earlier host pack; then run \
        the same command again.";
    HOST_PACK_DIFFERS = "LF3068", Refused, "A file of the host pack is not the package that its list names", "Ask the \
        vendor for a new host pack; this one was built incorrectly.";
    HOST_PACKAGES_REFUSED = "LF3069", NotReady, "The host's package manager refused packages of the host pack",
    "Install what the message names as missing, or ask the vendor for a host pack that has it; then run the same \
        command again.";
    SITE_SECRET_MISSING = "LF3070", NotReady, "A secret that the site must give is missing", "Give it with `--secret \
        NAME=FILE`, or under `secrets` in the site configuration.";
    SITE_SECRET_UNFIT = "LF3071", NotReady, "A given secret does not meet the release's requirements", "Give another \
        value with `--secret NAME=FILE`; `landfall inspect` prints what the release asks for.";
    GPU_RESOURCES_SHORT = "LF3072", NotReady, "The host offers fewer GPUs than pods of the release ask for", "Use a \
        machine with more GPUs, let more containers share each, or have fewer pods ask for one, by `values` in the \
        site configuration.";
    GPU_RESOURCE_UNOFFERED = "LF3073", NotReady, "Pods ask for MIG devices that the host does not offer", "Divide the \
        GPUs into the named MIG devices with `nvidia-smi mig`, or set another strategy for MIG in the site \
        configuration.";
    GPU_STRATEGY_UNFIT = "LF3074", NotReady, "The GPUs are divided in a way that the strategy for MIG does not allow",
    "Divide all GPUs alike or none, or set the strategy `mixed` in the site configuration.";
    GPU_SHARED_TWICE = "LF3075", NotReady, "A container asks for several parts of GPUs that are shared", "Let the \
        container ask for one, or share no GPU: the parts may be of the same one.";
    PROBE_NOT_PERMITTED = "LF3076", NotReady, "The user of the kubeconfig lacks rights that a probe needs", "Use a \
        kubeconfig whose user has the named rights, such as the administrator of the cluster. Nothing was changed.";
    PROBE_NOT_RUN = "LF3077", NotReady, "The pod of a probe did not run on its node in time", "Repair what the kubelet \
        reports, or name an image that the node can get with `--image`; then run `landfall probe` again.";
    PROBE_NO_FACTS = "LF3078", NotReady, "The pod of a probe printed no facts", "Use an image with the \
        `landfall-facts` of this version, and read the reason; then run `landfall probe` again.";
    PROBE_LEFTOVER = "LF3079", NotReady, "The namespace of a probe still exists", "Delete the named namespace with \
        kubectl; its pods end on their own.";
    FIREWALL_UNREAD = "LF3080", NotReady, "Rules of a firewall cannot be read", "Install the distribution's package \
        `iptables`, so that the rules can be judged; or make sure that they accept all packets from and to cni0 and \
        flannel.1.";
    // LF31: site configuration.
    SITE_FILE = "LF3101", Usage, "The site configuration cannot be read", "Check the path given with --site and its \
        permissions.";
    SITE_SYNTAX = "LF3102", Usage, "The site configuration is not valid YAML", "Correct the line that the message \
        names.";
    SITE_UNKNOWN_KEY = "LF3103", Usage, "The site configuration has an unknown key", "Correct or remove the key; \
        `landfall inspect` lists the values of a release.";
    SITE_VALUE = "LF3104", Usage, "The site configuration has a value that is not allowed", "Correct the values that \
        the message names.";
    SITE_TARGET = "LF3105", Usage, "A value of the release names an object or field that does not exist", "The release \
        is at fault: ask its vendor for a corrected one.";
    SITE_SCHEMA = "LF3106", Usage, "The release's schema of the site configuration is unusable", "The release is at \
        fault: ask its vendor for a corrected one.";
    SITE_SECRET_UNKNOWN = "LF3107", Usage, "The release asks for no secret of this name", "Correct or remove the name; \
        `landfall inspect` lists the secrets that a release asks for.";
}
