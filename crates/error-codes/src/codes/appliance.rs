//! Codes of licenses, of the console on the host, and of the appliance.

use crate::code::registry;
use crate::{Code, ExitClass};

registry! {
    // LF47: licenses. None of them stops running software, a backup, a restore, a rollback or an uninstall.
    LICENSE_MISSING = "LF4701", License, "The release has components that need a license, and this site has none",
    "Ask the vendor for a license, and pass it with `--license FILE`; what runs is not affected.";
    LICENSE_LACKS = "LF4702", License, "The license does not include an entitlement that the release needs", "Ask the \
        license's contact for a license that includes it, and pass that with `--license FILE`; what runs is not \
        affected.";
    LICENSE_ENDED = "LF4703", License, "The license has ended", "Ask the license's contact for a new one, and import \
        it with `landfall license import FILE`; what runs is not affected.";
    LICENSE_NOT_YET = "LF4704", License, "The license does not apply yet", "Wait until it applies. If its first day \
        has come, set the clock and run `landfall license confirm-date`.";
    LICENSE_REVOKED = "LF4705", License, "The vendor has revoked the license", "Ask the license's contact for a new \
        one; what runs is not affected.";
    LICENSE_OTHER_SITE = "LF4706", License, "The license is for another site", "Send the output of `landfall license \
        show` to the license's contact, and ask for a license for this site.";
    LICENSE_RELEASE_TOO_NEW = "LF4707", License, "The release is newer than the license allows", "Ask the license's \
        contact for a license that includes newer releases; what runs is not affected.";
    LICENSE_OTHER_RELEASE = "LF4708", License, "The license is for another product", "Import the license of the \
        installed release; `landfall license inspect FILE` shows which product a license is for.";
    LICENSE_OLDER = "LF4709", License, "A newer license has replaced this one", "Import the newest license that the \
        vendor has issued; `landfall license show` shows the one that this site has.";
    LICENSE_INVALID = "LF4710", License, "The license contradicts itself", "Ask the vendor for a new license.";
    LICENSE_REQUIREMENT = "LF4711", License, "The license needs a newer Landfall", "Import it with the `landfall` of a \
        newer release, or ask the vendor for a license that this version understands.";
    LICENSE_INCOMPLETE = "LF4712", License, "The license file lacks the revocation that belongs to it", "Ask the \
        vendor for the license file again: a part of it was removed.";
    LICENSE_DESCRIPTION = "LF4713", Usage, "The description of a license cannot be used", "Correct the named field of \
        the description.";
    LICENSE_SIGNING = "LF4714", Usage, "The license cannot be signed with the given keys and roots", "Pass as many \
        license keys as the newest root document asks for.";
    LICENSE_RECORD = "LF4715", License, "The site's record of its license cannot be used", "Import the license again \
        with `landfall license import FILE`; what runs is not affected.";
    LICENSE_NO_ROOT = "LF4716", Usage, "This site trusts no vendor yet, so a license cannot be checked", "Pass the \
        license to the install: `landfall install BUNDLE --trust ROOT --license FILE`.";
    DATE_UNCONFIRMABLE = "LF4717", NotReady, "The machine's date cannot be right", "Set the clock (`timedatectl \
        set-time`), then run `landfall license confirm-date` again.";
    NOT_LICENSED = "LF4718", License, "The license of this site does not allow this release", "Do what each finding \
        advises, then run the same command again; what runs is not affected.";
    LICENSE_ANSWER = "LF4719", Refused, "The answer about the license comes from another site or belongs to another \
        question", "Run `landfall status` on the host. If it is in order, find out what answers in place of the \
            console; what runs is not affected.";
    LICENSE_QUESTION = "LF4720", Usage, "The question about the license cannot be understood", "Ask for one \
        entitlement or one feature by its name, with a nonce of 32 hexadecimal digits.";
    LICENSE_QUESTIONS_TOO_MANY = "LF4721", NotReady, "Too many questions about the license", "Wait as long as the \
        message says. Software asks its sidecar, which asks the site once in some minutes.";
    LICENSE_CHECK_IMPOSSIBLE = "LF4722", Usage, "The component cannot have a license check", "Correct the release \
        definition as the message says; `landfall handbook vendor/licenses` has an example.";
    VALIDATOR_SETTINGS = "LF4723", Usage, "The validator's settings cannot be used", "Leave the containers as \
        `landfall build` wrote them. What runs is not affected.";
    USAGE_BROKEN = "LF4731", License, "The site's record of its usage was edited or cut", "Nothing that runs is \
        affected, and metering continues. Tell the license's contact what happened before you send the next report.";
    USAGE_NONE = "LF4732", NotReady, "This site has measured no usage", "Import the license if the site has none. \
        Usage is measured every hour from then on: try again in an hour.";
    USAGE_REPORT_FORM = "LF4733", Usage, "The file is not a report of usage", "Name a file that `landfall license \
        report` wrote, or that the console's page License offered.";
    USAGE_REPORT_SIGNATURE = "LF4734", Refused, "The site's key did not sign the report of usage", "Ask the customer \
        for the report again, and for the site's key, which `landfall license show` names. A host that was installed \
        again has a new key.";
    USAGE_REPORT_CHAIN = "LF4735", Refused, "Days of the report of usage were edited or cut", "Ask the customer what \
        happened to the site's record on the named day; the days before it are as they were measured.";
    USAGE_REPORT_TOTALS = "LF4736", Refused, "The totals of the report of usage do not follow from its days", "Ask the \
        customer for the report again. If it has the same fault, count the days by hand, and report this as a fault of \
        Landfall.";
    USAGE_REPORT_OTHER = "LF4737", Refused, "The report of usage is about another license or site", "Name the license \
        that the report is about with `--license`, or ask the customer for the report of the right site.";
    CARRY_FOLDER = "LF4740", Usage, "The folder cannot receive what is carried out", "Connect and mount the stick, and \
        name a folder on it that exists.";
    CARRY_MANIFEST = "LF4741", Usage, "The folder holds nothing that `landfall carry out` has completed", "Name the \
        folder that `landfall carry out` printed. If it is the right one, the stick was removed too early: ask the \
        site to carry out again.";
    CARRY_SIGNATURE = "LF4742", Refused, "The site's key did not sign what was carried out", "Ask the customer to \
        carry out again, and for the site's key, which `landfall license show` names. A host that was installed again \
        has a new key.";
    CARRY_PART = "LF4743", Refused, "A part of what was carried out differs from what the site wrote", "Copy the \
        folder from the stick again. If the message stays, ask the site to carry out again, and use nothing of this \
        folder.";
    CARRY_READ_BACK = "LF4744", NotReady, "What was written to the stick cannot be read back from it", "Use another \
        stick, and carry out again; nothing of the site was changed.";
    CARRY_NOTHING = "LF4745", Usage, "Nothing from a vendor was found", "Name a license, a `revocation.json` or a \
        bundle, or the folder that holds them.";
    CARRY_REFUSED = "LF4746", Refused, "A file that came for this site is refused", "Nothing was changed. Do what each \
        line advises, or remove the named file from the folder, then run the same command again.";
    CARRY_SEVERAL = "LF4747", Usage, "Several files of one kind came for this site", "Name the one that you want by \
        its file.";
    CARRY_DELTA = "LF4749", Usage, "A delta cannot be made from this", "Name with `--from` a release that the site \
        keeps, and the whole bundle of the next one.";
    AUDIT_EXPORT = "LF4748", NotReady, "The console's audit log cannot be exported on the host", "Run `landfall \
        status` and bring the console back, or export the log in the console under *Audit log*.";
    // LF48: the host's side of the console.
    CONSOLE_FILES = "LF4801", Resumable, "The host's files of the console cannot be used", "Move the named file away, \
        and keep it; then run `systemctl restart landfall-host-api`, which makes a new one. Exports of the audit log \
        before that need the previous key of `audit.json`.";
    CONSOLE_MISSING = "LF4802", NotReady, "This site has no console", "Install or upgrade to a release whose \
        definition has a component with `console: true`.";
    HOST_API = "LF4803", Resumable, "The host's API for the console cannot serve", "Look at `journalctl --unit \
        landfall-host-api`; nothing that runs depends on it.";
    MEDIUM_UNKNOWN = "LF4804", Usage, "Unknown medium", "Look for media again, then choose one of those that are \
        listed.";
    PLAN_UNKNOWN = "LF4805", Usage, "Unknown or expired plan", "Make the plan again, read it, and approve that one. A \
        plan can be used once, within an hour, and not after a restart of the host's API.";
    PLAN_DIFFERS = "LF4806", NotReady, "The plan is no longer the approved one", "Nothing was changed. Make the plan \
        again, read it, and approve that one.";
    MEDIUM_UNREADABLE = "LF4807", NotReady, "A medium cannot be read", "Use a stick with exFAT, FAT32, ext4 or ISO \
        9660, or copy the bundle to another one.";
    CHANGE_QUESTION = "LF4808", Resumable, "A question about a change was not answered", "Ask again; `journalctl \
        --unit landfall-host-api` on the host has details.";
    OTHER_OPERATION = "LF4809", Usage, "This operation is not the open one", "Reload the page: it shows the open \
        operation, if any.";
    REQUEST_RUNS = "LF4810", NotReady, "The host is working on another request", "Wait until that one is done, then \
        ask again.";
    MEDIUM_EMPTY = "LF4811", Usage, "A medium holds no bundle", "Copy all files of a bundle onto it: into its first \
        folder, or into a folder there.";
    CHECKPOINTS_TOO_MANY = "LF4812", NotReady, "The console asks for too many checkpoints of its audit log", "Wait as \
        long as the message says. The console retries, and the next checkpoint covers the same entries. \
        If this continues for hours while few people work, treat the console as taken over.";
    APPROVAL_UNKNOWN = "LF4813", Usage, "No change waits for this approval", "`landfall approvals list` shows what \
        waits, with digests. A request expires after 15 minutes; repeat the change in the console.";
    APPROVAL_MISSING = "LF4814", NotReady, "The host's administrator did not approve the change", "Nothing was \
        changed. Speak with the host's administrator, then make the plan again.";
    // LF50: the appliance.
    APPLIANCE_SETTINGS = "LF5001", Usage, "The appliance's settings cannot be used", "Correct each setting that the \
        message names, then start the appliance again.";
    APPLIANCE_DATABASE = "LF5002", NotReady, "The appliance's database cannot be used", "Check that the data folder is \
        writable and has free space; `landfall-appliance database check` reports the database's state.";
    APPLIANCE_DATABASE_NEWER = "LF5003", Usage, "A newer appliance wrote this database", "Start the newer appliance, \
        or load a snapshot that this version wrote into an empty data folder.";
    APPLIANCE_SNAPSHOT = "LF5004", Refused, "The data is not a sound database of the appliance", "Load a snapshot that \
        `landfall-appliance database save` wrote.";
    APPLIANCE_DATA_OCCUPIED = "LF5005", Usage, "The data folder already holds a database of the appliance",
    "Name an empty data folder.";
    APPLIANCE_LISTEN = "LF5006", NotReady, "The appliance cannot accept connections", "Free the address that the \
        message names, or set another one with `--listen`.";
    AUDIT_BROKEN = "LF5007", Refused, "The audit log was changed after it was written", "Keep the file; compare it \
        with an earlier export. The entries before the named one are as they were written.";
    AUDIT_FILE = "LF5008", Usage, "The file is not an exported audit log", "Export the log again with `GET \
        /api/v1/audit`, or name the right file.";
    HOST_SILENT = "LF5010", NotReady, "The host does not answer the console", "Run `landfall status` on the host, \
        which reports whether the agent runs. What is installed keeps running.";
    HOST_ANSWER = "LF5011", NotReady, "The console cannot read the host's answer", "Run `landfall status` on the host; \
        if that works, report this with the appliance's log.";
    SIGN_IN_NEEDED = "LF5020", Usage, "The request needs a sign-in", "Sign in, or send an API key as `Authorization: \
        Bearer KEY`.";
    NOT_PERMITTED = "LF5021", Usage, "The role or the API key does not permit this", "Ask an administrator for the \
        role or the scope that the message names.";
    FOREIGN_REQUEST = "LF5022", Usage, "The request did not come from a page of the console", "Open the console's page \
        again and repeat the action there.";
    REQUEST_INVALID = "LF5023", Usage, "The request cannot be understood", "Correct the field that the message names.";
    NOT_THERE = "LF5024", Usage, "Unknown name", "Check the name; the list one level up shows what exists.";
    TOO_MANY_ATTEMPTS = "LF5025", Usage, "Too many failed sign-ins", "Wait as long as the message says. Or open \
        `/first` with the token that `landfall console` on the host prints: failed sign-ins do not count against it. \
        It works once, within an hour, and has a limit of its own.";
    NAME_TAKEN = "LF5026", Usage, "A user of this name exists", "Choose another name.";
    LAST_ADMINISTRATOR = "LF5027", Usage, "The last administrator cannot be removed or lose the role", "Make another \
        user an administrator first.";
    PASSWORD_UNSUITABLE = "LF5028", Usage, "The password is too easy to guess", "Choose a longer one, for example four \
        unrelated words.";
    TOKEN_REFUSED = "LF5029", Usage, "The host refused the one-use token", "Run `landfall console` on the host for a \
        new token; each works once and for a short time.";
    SIGN_IN_FAILED = "LF5030", Usage, "User name or password is wrong", "Try again. An administrator can set a new \
        password. Without one, open `/first` with the token that `landfall console` on the host prints, which works \
        once, within an hour.";
    FROM_DIRECTORY = "LF5031", Usage, "The user comes from a directory", "Change groups and password in the directory: \
        the role is read again at each sign-in. To keep the user out in any case, disable the user.";
    DIRECTORY_REFUSED = "LF5032", Usage, "The sign-in through the directory was refused", "Try again from the page of \
        the sign-in. An administrator finds the reason in the audit log; local users sign in as usual.";
    DIRECTORY_SILENT = "LF5033", NotReady, "The directory does not answer", "Try again later. Local users sign in as \
        usual; without one, open `/first` with the token that `landfall console` on the host prints. The console's log \
        has the reason.";
    DIRECTORY_SETTINGS = "LF5034", Usage, "The settings of the directory cannot be used", "Correct each fault that the \
        message names in the Secret `console-directory`; the console reads it again within two minutes. Local users \
        sign in as usual.";
    AUDIT_REWRITTEN = "LF5035", Refused, "The audit log is not the one that the site signed", "Keep the file, and \
        compare it with an earlier export. Unless a backup of the console was restored, someone who could write to its \
        database has rewritten the log: treat the console as taken over.";
    AUDIT_TRUNCATED = "LF5036", Refused, "The audit log lacks entries that the site signed", "If the file is an export \
        of an earlier time, pass `--earlier`. Otherwise keep it, and export the log again. If that one also lacks \
        them, `landfall audit show` on the host reports whether a backup of the console was restored; otherwise treat \
        the console as taken over.";
    AUDIT_FORGED = "LF5037", Refused, "A checkpoint of the audit log is not as the site signed it", "Keep the file. \
        Compare the key with the one that `landfall audit show` prints on the host; if it is the same, the checkpoint \
        was edited.";
    AUDIT_UNSIGNED = "LF5038", Refused, "The audit log has no checkpoint of the site", "Check that the key is this \
        site's: `landfall audit show` on the host prints it. Export the log again while the host answers the console.";
    AUDIT_FORKED = "LF5039", Refused, "The audit log does not continue what the host signed", "Run `landfall audit \
        show` on the host, and compare its last checkpoint with the log. If no backup of the console was restored, \
        treat the console as taken over.";
    AUDIT_KEY = "LF5040", Usage, "The key of the audit log cannot be used", "Name a file with the public key that \
        `landfall audit show` prints on the host.";
    SECOND_PERSON_NEEDED = "LF5041", Usage, "A second person has to approve", "Approve the plan on its page as the \
        first person; another person then approves it. Programs send `POST /api/v1/approvals`, then `POST \
        /api/v1/approvals/ID` with a key of another person.";
    NOT_A_SECOND_PERSON = "LF5042", Refused, "This user cannot approve it as one of two people", "Ask another person. \
        A local user whose account or password another user made counts once two people approve that on the page \
        `Approval`, or once the user has opened `/first` with the token that `landfall console` on the host prints.";
    SYSLOG_SETTINGS = "LF5043", Usage, "The settings of the syslog server cannot be used", "Correct each fault that \
        the page `Audit` names in the Secret `console-syslog`; the console reads it again within two minutes. Nothing \
        is lost until then.";
    AUDIT_NO_KEY = "LF5044", Usage, "No key is known that could have signed the audit log", "Name the site's public \
        key with `--key FILE`; `landfall audit show` prints it on the host. As root on that host no file is needed. \
        Pass `--chain-only` to check the chain alone, which a compromised console could have rewritten.";
    AUDIT_LINE = "LF5045", Refused, "A line of the audit log is too long", "Check that the file is an export of an \
        audit log, and export the log again. If the line is still there, keep the file: the console writes no such \
        entry, so someone changed its database.";
    PACKAGE_INDEX_UNUSABLE = "LF5046", Usage, "The package index cannot serve", "Name the folder of the wheels, and \
        the list with its digest that `landfall build` wrote. At a site, run `landfall status`.";
    METHOD_NOT_ALLOWED = "LF5047", Usage, "The address does not allow this method", "Send the request with a method \
        that the message names.";
    UPLOAD_RUNS = "LF5048", NotReady, "Another upload is on the host", "Continue that one, or wait until it is used. \
        Users who may upload can also remove it.";
    UPLOAD_OFFSET = "LF5049", Usage, "The bytes do not continue the upload", "Ask with `HEAD /api/v1/uploads/ID` how \
        much has arrived, and send what follows it. The page does it for you.";
    UPLOAD_TOO_LONG = "LF5050", Usage, "The upload is longer than was announced", "Remove the upload and begin again \
        with the size of the file. A bundle in parts has the size of all its parts together.";
    UPLOAD_NEEDED = "LF5051", NotReady, "An open change reads the upload", "Wait until the change has ended, or undo \
        it; then remove the upload.";
    UPLOAD_PROTOCOL = "LF5052", Usage, "Unknown version of the upload protocol", "Send the header `Tus-Resumable: \
        1.0.0`.";
    APPLIANCE_DATABASE_LOCKED = "LF5053", NotReady, "The appliance's database is locked", "Try again in a minute. If \
        that does not help, end the program that holds the database in the console's data folder, or delete the \
        console's pod, which starts again.";
    APPLIANCE_DATABASE_FULL = "LF5054", NotReady, "The appliance's database has no space left", "Free space on the \
        disk that holds the console's data; `landfall status` on the host names it. Then try again: the console needs \
        no restart.";
    APPLIANCE_DATABASE_DAMAGED = "LF5055", NotReady, "The appliance's database is damaged", "Restore the component \
        `console` from its newest backup: in the browser, or with `landfall restore --component console` on the host. \
        A console that starts before that keeps the damaged file, and begins an empty database: `landfall console` on \
        the host prints the token that lets you in.";
    LISTENERS_TOO_MANY = "LF5056", NotReady, "Too many programs follow the operation", "`GET /api/v1/operation` \
        reports the state at any time. Try again in a minute: the streams of the others end by then.";
    APPLIANCE_SERVER_SILENT = "LF5057", NotReady, "The console's PostgreSQL server cannot be reached", "Check that the \
        server runs, and that a network policy lets the console's pod reach it. Compare its address and its \
        certificate with the Secret `console-database`. The console continues once the server answers.";
    APPLIANCE_SERVER_REFUSES = "LF5058", Usage, "The console's PostgreSQL server refuses its user", "Correct the \
        database, the user, or the password in the Secret `console-database`, then delete the console's pod, which \
        starts again. The user must own the database, whose encoding must be UTF8.";
    APPLIANCE_SERVER_OLD = "LF5059", Usage, "The console's PostgreSQL server is too old", "Name a server of a newer \
        version in the Secret `console-database`, or upgrade this one; the message says which version is needed.";
    APPLIANCE_SCHEMA = "LF5060", NotReady, "The schema of the console's database cannot be changed", "Correct what the \
        message names: the user of the Secret `console-database` must own the database, and nothing else may change \
        its tables. Nothing of the failed change is done; it is tried again when the console's pod starts again.";
    APPLIANCE_DATABASE_ELSEWHERE = "LF5061", Usage, "The console's data is in a PostgreSQL server that no setting \
        names", "Make the Secret `console-database` again, which names the server. To go back to a file in the \
            console's volume, restore the component `console` from a backup.";
    CERTIFICATE_UNUSABLE = "LF5063", Usage, "The certificate that the site supplies to the console cannot be used",
    "Correct the Secret `console-tls`: `tls.crt` with the chain, `tls.key` with the key to it. The console reads \
        it again within two minutes; until then it uses the certificate of the site's own authority.";
    INGRESS_SETTINGS = "LF5064", Usage, "The settings of the console's ingress cannot be used", "Correct each fault \
        that the message names in the Secret `console-ingress`; the console reads it again within two minutes. Until \
        then no proxy is trusted.";
    PROOF_NEEDED = "LF5068", Usage, "This requires a fresh proof of your identity", "Enter your own password in the \
        form, which keeps what you typed. With a session of the API, send it to `POST /api/v1/session/proof`. A user \
        of an identity provider signs in there again at `/sign-in/directory/again`.";
    APPLIANCE_DATABASE_EMPTIED = "LF5067", Usage, "The console had data in PostgreSQL, and the database that the \
        settings name is empty", "Name the server and the database that have the data in the Secret \
            `console-database`, then delete the console's pod, which starts again. If they are lost, restore the \
            component `console` from its newest backup. To begin an empty console instead, remove the file \
            `console.postgresql` from the folder of the console's volume.";
}
