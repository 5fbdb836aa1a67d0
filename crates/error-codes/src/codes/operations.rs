//! Codes of operations: journal and engine, steps, cluster, upgrades, proofs and backups.

use crate::code::registry;
use crate::{Code, ExitClass};

registry! {
    // LF40: journal and engine.
    JOURNAL_IO = "LF4001", Resumable, "The journal cannot be read or written", "Check the disk of the data folder and \
        its free space, then run the same command again.";
    JOURNAL_SYNC = "LF4002", Resumable, "The disk failed to keep the journal", "Check the disk and the kernel's log; \
        then reboot the machine and run `landfall resume`.";
    JOURNAL_MISSING = "LF4003", Stuck, "The data folder holds a site, but its journal is missing", "Restore the \
        journal from a copy of the data folder; without it Landfall cannot know what to continue or undo.";
    JOURNAL_CORRUPT = "LF4004", Stuck, "The journal is damaged", "Keep a copy of the data folder. `landfall backup \
        export LANDFALL/journal/FILE --output FILE` takes the journal out of a backup. Send the damaged one with a \
        report.";
    JOURNAL_NEWER = "LF4005", Usage, "The journal was written by a newer Landfall", "Use the newer `landfall`, which \
        the site keeps in its data folder.";
    SITE_BUSY = "LF4006", NotReady, "Another operation runs on this site", "Wait for it to end; `landfall status` \
        shows its progress.";
    STEP_FOREIGN = "LF4007", Stuck, "A step found something that is not Landfall's", "Move away what the message names \
        if it is not needed, then run `landfall resume`; or run `landfall uninstall`, which keeps the data.";
    UNDO_FAILED = "LF4008", Stuck, "A step could not be undone", "Remove the cause that the message names, then run \
        `landfall uninstall` again, or `landfall resume` if a change is undone; steps before it are still in place.";
    UNDO_IMPOSSIBLE = "LF4009", Stuck, "An irreversible step has already run", "Ask the vendor how to continue; this \
        attempt changed nothing.";
    ENGINE_MISSING = "LF4010", Usage, "The operation belongs to another landfall, which is missing or damaged", "Run \
        the `landfall` that began the operation; it came with the bundle.";
    OPERATION_OPEN = "LF4011", Resumable, "An operation is unfinished", "Run `landfall resume` to finish it, or \
        `landfall uninstall` to undo it; uninstall keeps the data.";
    ALREADY_INSTALLED = "LF4012", Usage, "A release is already installed on this machine", "Run `landfall status`. A \
        later release of the same name takes its place with `landfall upgrade`; for another one, `landfall uninstall` \
        keeps the data.";
    MARKS_UNREADABLE = "LF4014", Stuck, "The marks of installed releases cannot be read", "Restore one of the two \
        files named from a backup.";
    SITE_IO = "LF4015", Resumable, "A file of the site cannot be read or written", "Check the disk and the named path, \
        then run the same command again.";
    UNINSTALLING = "LF4016", Resumable, "The site is being uninstalled", "Run `landfall uninstall` to finish.";
    OTHER_BUNDLE = "LF4017", Refused, "The media hold a different bundle than the one being installed", "Connect the \
        stick with the bundle that the install began with.";
    KEPT_DATA = "LF4020", NotReady, "Data of an earlier installation is kept on this machine", "Run the same command \
        with `--adopt-data` to use the data again; `landfall uninstall --delete-data` deletes it.";
    KEPT_AMBIGUOUS = "LF4021", NotReady, "Two kept volumes belong to one claim", "Move the folder that is not needed \
        out of the folder of volumes, then run the same command again.";
    KEPT_MISSING = "LF4022", NotReady, "A kept volume is missing from the disk", "Mount the disk that holds the named \
        folder; if its data is not needed, create an empty folder of that name.";
    KEPT_RECORD = "LF4023", Stuck, "The record of kept data cannot be read", "Move the named file away: volumes and \
        secrets are found without it, by the names of their folders.";
    NOTHING_KEPT = "LF4024", Usage, "No data is kept on this machine", "If the data is on a disk of its own, mount it \
        at /var/lib/landfall; for an empty site, install without `--adopt-data`.";
    DELETION_UNCONFIRMED = "LF4025", Usage, "Deleting or replacing data requires the site's name", "Type the name of \
        the site when asked, or add `--confirm NAME`; without `--delete-data`, an uninstall keeps the data.";
    FOREIGN_MOUNT = "LF4026", Resumable, "A filesystem is mounted in a folder that Landfall removes", "Unmount what \
        the message names, then run the same command again.";
    KEPT_UNCLAIMED = "LF4027", NotReady, "A component would start empty beside its kept volume", "Rename the volume's \
        folder after the claim that the component has now, as the message says, then run the same command again.";
    NOT_INSTALLED = "LF4030", NotReady, "No release is installed on this machine",
    "Install one with `landfall install`.";
    CHANGE_OPEN = "LF4031", Resumable, "A change of the site is unfinished", "Run `landfall resume`: it finishes the \
        change, or undoes it.";
    CHANGE_UNDONE = "LF4032", NotReady, "A change failed and was undone", "The site is as it was before. Correct what \
        the message names, then run the same command again.";
    SETTINGS_FIXED = "LF4033", Usage, "Settings of the node and its networks are fixed when a site is installed",
    "Remove the change from the site configuration; for another address or network, uninstall, which keeps the \
        data, and install again.";
    CHANGE_UNFIT = "LF4034", NotReady, "The cluster would refuse the change", "Correct what the message names, then \
        run the same command again. Some fields, such as the size of a volume, never change once a site is installed.";
    NOTHING_TO_ABORT = "LF4035", Usage, "There is no open change to undo", "Run `landfall status` to see what is \
        installed.";
    EDITED = "LF4036", NotReady, "Fields that the change would set were edited", "Undo the edits that the message \
        names with `landfall kubectl edit`, or run the same command with `--overwrite-edits`, which takes these fields \
        over. To keep an edit, ask the vendor to make its field editable.";
    REPLACED_UNKNOWN = "LF4037", Usage, "Unknown replaced data", "Run `landfall replaced-data list`, and name an entry \
        that it lists.";
    CANARY_FAILED = "LF4038", NotReady, "The canary of a component failed", "Send the message to the vendor; the site \
        is as it was before the upgrade.";
    SETTINGS_SAME = "LF4039", Usage, "The site has these settings already", "Change at least one setting; `landfall \
        settings` shows their values.";
    OLD_JOURNAL_UNREADABLE = "LF4040", Stuck, "An old journal that this command needs cannot be read", "Take the named \
        journal out of a backup with `landfall backup export LANDFALL/journal/FILE --output FILE`, then run the same \
        command again. If a newer `landfall` wrote it, use that one. Backups and what runs continue without it.";
    UNKNOWN_CONTAINER = "LF4041", Usage, "No pod of the component has such a container", "Name one of the containers \
        that the message lists, or leave out `--container` for all of them.";
    NO_PREVIOUS_RUN = "LF4042", Usage, "No container of the component has an earlier run", "Leave out `--previous`: \
        the logs are those of the first run. A pod that was replaced took its logs with it; `landfall support collect` \
        finds what is left of them on the disk.";
    UNKNOWN_OPERATION = "LF4043", Usage, "The site never had such an operation", "Run `landfall history`, which begins \
        each line with an operation's number.";
    HELP_FILES = "LF4044", Resumable, "The help files cannot be installed on the host", "Check the disk and the \
        permissions of /usr/local/share, then run `landfall resume`.";
    INTERRUPTED = "LF4045", Resumable, "The command was interrupted", "Run the same command again: nothing \
        half-written is used. If an operation of the site had begun, `landfall status` says whether it runs, and \
        `landfall resume` finishes it or undoes it.";
    // LF41: node steps.
    NODE_FILE = "LF4101", Resumable, "A file of the host cannot be read or written", "Check the disk and the \
        permissions of the named path, then run the same command again.";
    NODE_PROGRAM = "LF4103", Resumable, "A program that an installation step runs failed", "Read what the program said \
        and the logs below /var/log/landfall, then run `landfall resume`.";
    NODE_TIMEOUT = "LF4104", Resumable, "A part of the node did not become ready in time", "Read `journalctl --unit \
        landfall-kubelet --unit landfall-containerd`, then run `landfall resume`.";
    NODE_BLOB = "LF4105", Resumable, "Staged content that a step needs is missing or damaged", "Connect the stick and \
        run `landfall resume` with the bundle.";
    NODE_IDENTITY = "LF4106", Stuck, "The data folder does not belong to this host", "Mount the disk that holds this \
        site's data folder, then start the service again.";
    NODE_RELEASE = "LF4107", Usage, "The release lacks a part that a node needs", "Ask the vendor: the release \
        definition must name it in its node pack.";
    NODE_SETTINGS = "LF4108", Resumable, "The agent's settings cannot be read", "Run `landfall resume`, which writes \
        them again.";
    NODE_CERTIFICATE = "LF4109", Resumable, "A certificate of the cluster cannot be read or renewed", "Read \
        `journalctl --unit landfall-agent`.";
    NODE_NETWORK = "LF4110", Resumable, "The host's network configuration cannot be read or changed", "Check that the \
        process is root and the interface is up, then run `landfall resume`.";
    NODE_CLEANUP = "LF4111", Stuck, "Something that ran on the node cannot be stopped or removed", "Stop or unmount \
        what the message names, then run `landfall uninstall` again.";
    // LF412x and LF413x: supervision and certificates.
    NODE_CLOCK = "LF4120", NotReady, "The machine's clock cannot be right", "Set the clock (`timedatectl set-time`); \
        no certificate is renewed until then.";
    NODE_WAITS = "LF4121", NotReady, "The kubelet cannot start yet", "Provide what the message names; systemd tries \
        again every few seconds.";
    FILTER_UNREADABLE = "LF4140", Resumable, "The packet filter's tables cannot be read", "Check that the agent runs \
        as root and the kernel has nftables.";
    FILTER_NOT_RESTORED = "LF4141", Resumable, "A lost table of the packet filter was not restored", "Reboot the host, \
        and read the agent's log.";
    // LF42: cluster and apply.
    CLUSTER_KUBECONFIG = "LF4201", Resumable, "The kubeconfig cannot be used", "Check that the control plane was \
        brought up on this node, then run `landfall resume`.";
    CLUSTER_UNREACHABLE = "LF4202", Resumable, "The API server does not answer", "Check with `landfall status` whether \
        it runs, then run `landfall resume`.";
    CLUSTER_REFUSED = "LF4203", Resumable, "The API server refused a request", "Read the API server's reason in the \
        message, correct its cause, then run `landfall resume`.";
    CLUSTER_CONFLICT = "LF4204", Stuck, "Another manager owns a field that Landfall must set", "Remove the other \
        manager's value, or let that manager release the field, then run `landfall resume`.";
    CLUSTER_UNKNOWN_KIND = "LF4205", Resumable, "The cluster does not know a kind of object", "The component that \
        defines the kind must come first; if it does, run `landfall resume`.";
    CLUSTER_BAD_OBJECT = "LF4206", Usage, "A rendered object of the release is malformed", "The release is at fault: \
        ask its vendor for a corrected one.";
    CLUSTER_FOREIGN = "LF4207", Stuck, "An object of that name exists and is not Landfall's", "Remove or rename the \
        object if it is not needed, then run `landfall resume`.";
    CLUSTER_NOT_READY = "LF4208", Resumable, "A component did not become ready in time", "Fix the cause that the \
        message names, then run `landfall resume`.";
    CLUSTER_FAILED = "LF4209", Resumable, "A component failed", "Fix the cause that the message names, then run \
        `landfall resume`.";
    CLUSTER_NOT_DELETED = "LF4210", Stuck, "An object could not be deleted", "Check its finalizers and events with \
        kubectl, then run `landfall resume`.";
    CLUSTER_SECRET_FILE = "LF4211", Stuck, "The file of a generated secret cannot be used", "Restore the file; \
        deleting it would give running software a secret that does not match its data.";
    CLUSTER_ANSWER = "LF4212", Bug, "The API server's answer is not understood", "Please report this with the message \
        and the log.";
    SITE_SECRET_FILE = "LF4213", Stuck, "The file of a secret that the site gave cannot be used", "Restore the file, \
        or give the value again: `landfall configure --secret NAME=FILE`.";
    GPU_SPECIFICATION = "LF4214", Resumable, "The specification that gives GPUs to containers was not written", "Read \
        what NVIDIA's tool said. Check the driver with `landfall status`; the agent tries again.";
    GPU_SPECIFICATION_UNFIT = "LF4215", Resumable, "NVIDIA's tool wrote a specification that cannot be used", "Ask the \
        vendor for a release with another version of NVIDIA's container toolkit.";
    GPU_OFFER_DIFFERS = "LF4216", NotReady, "The node does not offer the GPUs that its driver reports", "Read the log \
        of the device plugin (`landfall kubectl logs`). Restart its pod once the cause is removed.";
    // LF43: looking at a site.
    NO_CLUSTER = "LF4301", NotReady, "There is no cluster on this machine", "Run `landfall status` to see how far the \
        machine is; `landfall install` and `landfall resume` bring the cluster up.";
    UNKNOWN_COMPONENT = "LF4302", Usage, "The release has no such component", "Run `landfall status`, which lists the \
        components.";
    ADMINISTRATION = "LF4303", Resumable, "A program of the cluster cannot be started", "Check that the data folder is \
        mounted and not read-only; `landfall verify --installed` checks what is staged.";
    SUPPORT_UNREADABLE = "LF4304", Usage, "The file is not a whole support bundle", "Copy the file again, or run \
        `landfall support collect` on the site once more.";
    SUPPORT_EXISTS = "LF4305", Usage, "The file that receives a support bundle exists",
    "Name another file, or remove that one.";
    // LF44: upgrades and rollback.
    UPGRADE_OTHER = "LF4401", Usage, "The bundle holds a different release than the installed one", "Use a bundle of \
        the installed release's name, or install this one on another machine.";
    UPGRADE_SAME = "LF4402", Usage, "The bundle's release is installed already", "Run `landfall status`; nothing is \
        left to do.";
    UPGRADE_OLDER = "LF4403", Usage, "The bundle's release is older than the installed one", "To go back to the \
        release before this one, run `landfall rollback`.";
    UPGRADE_NODE = "LF4404", NotReady, "The node pack of the release cannot take the place of the installed one", "Ask \
        the vendor for a release whose node pack has the same minor versions of Kubernetes and etcd. Images that it \
        changes need new names.";
    UPGRADE_MOVED = "LF4405", Usage, "A component has another namespace in the new release", "Ask the vendor for a \
        release in which the component keeps its namespace: Landfall cannot move its data.";
    UPGRADE_UNREADY = "LF4406", NotReady, "The installed release is not ready to be upgraded", "Remove what the \
        message names; `landfall status` shows when everything is ready. To go back to an earlier release, run \
        `landfall rollback`.";
    UPGRADE_UNPROVED = "LF4407", NotReady, "A proof of the new release failed", "Send the message to the vendor: the \
        site is as it was before.";
    ROLLBACK_NOWHERE = "LF4408", Usage, "The site keeps no such earlier release", "Go back to a version that the \
        message names; for any other, install its bundle on a machine of its own.";
    UPGRADE_PATH = "LF4409", Usage, "The installed version cannot be upgraded to this release directly", "First \
        upgrade to the version that the message names. If it names none, ask the vendor for an upgrade path.";
    ROLLBACK_DATA = "LF4410", Usage, "The installed release has changed data, and the rollback does not say what to do \
        with it", "Run `landfall rollback` with `--data keep`: the data stays as it is. If the proofs fail with it, \
            the rollback is undone.";
    ROLLBACK_DATA_UNCHANGED = "LF4411", Usage, "There is no data to be restored by a rollback", "Run `landfall \
        rollback` without `--data`.";
    UPGRADE_SOAK = "LF4412", NotReady, "The release did not stay healthy while the upgrade watched it", "Send the \
        message to the vendor; the site is as it was before the upgrade.";

    // LF45: proofs.
    PROOF_FAILED = "LF4501", NotReady, "A proof of the release failed", "Run `landfall status`, remove the cause that \
        the failed proof names, then run `landfall prove` again.";
    PROOF_UNKNOWN = "LF4502", Usage, "The release declares no proof of that name", "Run `landfall prove` without a \
        name, which runs and lists all proofs of the release.";
    PROOF_NO_SITE = "LF4503", NotReady, "No release is installed to be proved", "Install a release with `landfall \
        install`, then run the same command again.";
    PROOF_NO_CLUSTER = "LF4504", NotReady, "The cluster does not answer, so nothing can be proved", "Run `landfall \
        status`, which reports what is not ready, and run the same command again when the site is ready.";
    // LF46: backups.
    BACKUP_KEY = "LF4601", Usage, "The key of the backup repository cannot be used", "Name the file that holds the \
        repository's key; an existing file is not replaced by a new key.";
    BACKUP_NO_REPOSITORY = "LF4602", Usage, "The folder holds no backup repository", "Check that the disk for backups \
        is mounted, and name the folder of its repository.";
    BACKUP_WRONG_KEY = "LF4603", Usage, "The key does not open the backup repository", "Use the key that was made with \
        this repository; without it, no backup can be read.";
    BACKUP_OTHER_SITE = "LF4604", Usage, "The backup repository belongs to another site", "Name the repository of this \
        site, or an empty folder for a new one.";
    BACKUP_DAMAGED = "LF4605", NotReady, "The backup repository is damaged", "Check the disk and the repository, and \
        make a new backup elsewhere; remove nothing from the folder before that.";
    BACKUP_FOLDER_OCCUPIED = "LF4606", Usage, "The folder for a new backup repository is in use", "Name an empty \
        folder, or open the repository that the folder holds.";
    BACKUP_IN_USE = "LF4607", NotReady, "Another operation is using the backup repository", "Wait until it has ended, \
        then run the same command again.";
    BACKUP_STREAM = "LF4608", Resumable, "The data of a backup could not be read completely", "Remove the cause that \
        the message names, then run the same command again.";
    BACKUP_UNKNOWN = "LF4609", Usage, "Unknown backup, or no such item in it", "List the backups, and name one of \
        them.";
    BACKUP_NAME = "LF4610", Usage, "A backup cannot have this name or fact", "Use a name that the message allows.";
    BACKUP_LIBRARY = "LF4611", Resumable, "An operation on the backup repository failed", "Remove the cause that the \
        message names, then run the same command again.";
    BACKUP_NOT_FREED = "LF4612", Resumable, "Backups were dropped, but their space was not freed", "Remove the cause \
        that the message names; the next removal of old backups frees the space.";
    BACKUP_NO_RULES = "LF4613", Usage, "The release declares no data to back up", "Ask the vendor for a release whose \
        components have backup rules.";
    BACKUP_UNPROVEN = "LF4614", NotReady, "A drill did not prove the backup", "Read which check failed, remove its \
        cause, then run `landfall backup run` again; older backups are as they were.";
    BACKUP_NO_ROOM = "LF4615", NotReady, "There is no room for a backup, a drill or a restore", "Free as much space as \
        the message names, or keep fewer backups (`backups.keep` in site.yaml), then run the same command again.";
    RESTORE_OTHER_VERSION = "LF4616", Usage, "The backup is of a different version than the installed one", "Install \
        that version first, with `landfall rollback` or `landfall upgrade`, then restore.";
    RESTORE_LOAD = "LF4617", NotReady, "Data of a backup could not be loaded", "Read what the program said; the data \
        is as it was before the restore.";
    RESTORE_IMPOSSIBLE = "LF4618", Usage, "The data cannot be restored in place", "Ask the vendor for a component \
        whose data is in a volume of its own, of a Deployment or StatefulSet.";
    RESTORE_CHECK = "LF4619", NotReady, "Restored data failed a check", "Choose another backup: `landfall backup list` \
        shows which of them are proven.";
    BACKUP_POD = "LF4620", NotReady, "A component has no pod whose data can be read", "Run `landfall status`, remove \
        what keeps the component from being ready, then run the same command again.";
    RESTORE_NOTHING = "LF4621", Usage, "The backup holds no data of this component", "Name a component that `landfall \
        backup list` shows, or none to restore all of them.";
    BACKUP_COPY_PLACE = "LF4622", NotReady, "A folder cannot receive copies of the backups", "Mount the disk of the \
        copies, and name a folder on it that exists.";
    BACKUP_NOT_COPIED = "LF4623", NotReady, "Several places did not receive their missing copies", "Remove the causes \
        that the message names, then run `landfall backup copy`; the backups themselves are as they were.";
    RESTORE_TIME = "LF4624", Usage, "Data as of this time cannot be restored", "Run `landfall backup list` for the \
        points in time that can be restored; `landfall backup log` adds those up to now. To restore a backup as it is, \
        use `--backup`.";
    BACKUP_STOPPED = "LF4625", NotReady, "A backup, a drill or a restore was stopped before it filled the disk", "Free \
        as much space as the message names, or keep fewer backups (`backups.keep` in site.yaml), then run the same \
        command again. Older backups are as they were.";
    LOG_UNPROVEN = "LF4626", NotReady, "A drill did not prove the log backups", "Read which check failed and remove \
        its cause; `landfall backup run` begins new points in time, and every backup is as it was.";
    BUCKET_CREDENTIALS = "LF4627", Usage, "The credentials for a bucket cannot be used", "Write them into the file \
        that the settings name, which root alone may read: `aws_access_key_id = …` and `aws_secret_access_key = …`.";
    BUCKET_UNREACHABLE = "LF4628", NotReady, "The server of a bucket does not answer, or fails", "Check the address, \
        the network, the server and its certificate; the next copy adds what is missing, and no backup is lost.";
    BUCKET_REFUSED = "LF4629", NotReady, "The server of a bucket refuses a request", "Check the bucket's name, region \
        and credentials, and this host's clock; the credentials must list, read, write and delete objects.";
    BUCKET_FULL = "LF4630", NotReady, "The server of a bucket has no space left", "Give the bucket more space, or keep \
        fewer backups (`backups.keep` in site.yaml); the copies that it has are as they were.";
    BUCKET_SLOW = "LF4631", NotReady, "The server of a bucket is too slow", "Check the network and the server; what \
        was copied stays, and the next copy continues.";
    BUCKET_ANSWER = "LF4632", NotReady, "The server of a bucket does not answer as S3 does", "Check that the address \
        is that of an S3 server, and whether it expects the bucket's name in the path (`pathStyle`).";
    EXPORT_EXISTS = "LF4633", Usage, "The output file for data of a backup exists already", "Name a file that does not \
        exist.";
    BACKUP_INTERRUPTED = "LF4634", NotReady, "A backup or a drill was interrupted before it ended", "Run `landfall \
        backup run` or `landfall drill` again; earlier backups are as they were.";
    BACKUP_COUNTS = "LF4636", NotReady, "The counts of restored data differ from those at the cut of its backup",
        "The message names the data and both counts; running software was not touched. Run `landfall backup run`. If \
            its drill also fails, give the report to the vendor of the release.";
    BACKUP_POD_ENDED = "LF4637", NotReady, "A pod ended while its data was read", "Run the same command again; an \
        upgrade retries automatically. If it ends again, it may lack memory: `landfall status` says why it restarts.";
    RESTORE_DISPROVED = "LF4640", NotReady, "Every backup that leads to the time failed its drill", "Read in `landfall \
        backup list` which backups are proven, and restore one of them. `landfall drill --backup ID` tries a backup \
        again; `--backup ID` restores one anyway.";
    BACKUP_INCOMPLETE = "LF4641", NotReady, "A backup was made without streams that could not be read", "Remove the \
        cause that the message names, then run `landfall backup run`. What the backup has is stored, and a drill tries \
        it; it is not proven for what it lacks.";
    RESTORE_INCOMPLETE = "LF4642", NotReady, "The backup lacks data that is to be restored", "Choose another backup in \
        `landfall backup list`, or name the components that this one has with `--component`.";
    BACKUP_NOT_LOST = "LF4643", Usage, "A backup to forget has lost nothing", "Run `landfall backup check`: it names \
        what each backup has lost. Only the retention removes whole backups (`backups.keep` in site.yaml).";
    BACKUP_LOST = "LF4645", NotReady, "Backups have lost data", "Run `landfall backup repair PLACE` with a place that \
        has copies; without one, `landfall backup run` stores again what still exists.";
    LOG_RECORDS = "LF4646", NotReady, "The record of log backups cannot be read", "Run `landfall backup run`: points \
        in time begin again with that backup. Those that are stored can still be restored.";
}
