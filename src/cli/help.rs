//! The texts after the options of a command, in `--help` and in the manual pages.
//!
//! A heading ends with a colon. Below it, a command is indented by four spaces, its next line by six, and the next line of a
//! meaning by seven. A term and its meaning are two or more spaces apart. Any other line is a sentence.

pub const PROGRAM: &str = "\
Exit codes:
  0    success; run: delivered and verified, or already on the server,
       without warnings
  1    the run finished with warnings
  2    invalid command line
  3    the configuration cannot be used
  4    run: failed, nothing new was delivered; other commands: found a
       problem, or an archive is bad, missing or unreachable; drill: a
       dump does not load, or a check failed
  5    another run or drill with the same configuration is under way
  130, 143  interrupted
  The status command uses the exit codes of monitoring plugins instead.
  Several jobs end with the worst of their codes, in the order 130, 143,
  4, 3, 5, 1, 0.";

pub(super) const RUN: &str = "\
Examples:
  Show what a run would send and remove:
    scripting-system run --job shop --dry-run
  Make up for a missed night while its dump is still published:
    scripting-system run --job shop --date 2026-11-23
  Run all jobs of a folder, four at a time:
    scripting-system run --config /etc/scripting-system/jobs --parallel 4";

pub(super) const CHECK: &str = "\
Exit codes:
  0    no problems found
  2    invalid command line
  3    the configuration cannot be used
  4    there is a problem to fix
  130, 143  interrupted

Examples:
  Check a new job, and send a test mail and a test message:
    scripting-system check --job shop --notify
  Print only the findings that need attention:
    scripting-system check --json | jq '.[].findings[]|select(.status!=\"ok\")'";

pub(super) const STATUS: &str = "\
Exit codes:
  0    OK
  1    WARNING: removal is held back, leftovers of interrupted runs
       remain, prune is overdue, a clock is wrong, or the server
       reports no size
  2    CRITICAL: no archive, the newest one is too old or too small,
       no drill passed in time, or the server cannot be reached or used
  3    UNKNOWN: the command line, the configuration or known_hosts
       cannot be used

Examples:
  Expect an archive of at least 1 MB each day, and a drill each week:
    scripting-system status --job shop --min-size 1MB --max-drill-age 8d";

pub(super) const VERIFY: &str = "\
Exit codes:
  0    every archive that was read is good, or encrypted and unchanged
  1    all are intact, but at least one contains the dump under a name
       other than source.dump and --dump
  2    invalid command line
  3    the configuration cannot be used
  4    an archive is bad, missing, or could not be read
  130, 143  interrupted

Examples:
  Read every archive back:
    scripting-system verify --job shop --all
  Decrypt the newest archive too:
    scripting-system verify --job shop --identity key.txt";

pub(super) const RESTORE: &str = "\
Exit codes:
  0    the dump was restored
  2    invalid command line
  3    the configuration or the identity cannot be used
  4    the archive is bad, missing or unreachable, or the dump cannot be
       written; with --output -, what was written is not complete
  130, 143  interrupted

Examples:
  Restore the newest dump into the folder restored:
    scripting-system restore --job shop --output restored
  Load the dump of a date into a new database:
    set -o pipefail
    scripting-system restore --job shop --date 2026-11-23 --output - |
      mariadb new_shop";

pub(super) const DRILL: &str = "\
Exit codes:
  0    the dump was restored, and every check passed
  1    it was, with warnings: fewer tables, or a report was not sent
  2    invalid command line
  3    the configuration cannot be used, or a program is missing
  4    the archive, its dump or a check failed
  5    another drill of this job is under way
  130, 143  interrupted

Examples:
  Restore the newest archive, and check its data:
    scripting-system drill --job shop
  Restore the encrypted archive of a date:
    scripting-system drill --job shop --date 2026-11-23 --identity key.txt";

/// Only in manual pages.
pub const MANUAL: &str = "\
Environment:
  SCRIPTING_SYSTEM_CONFIG  the configuration, if --config is not given
  TZ    the job's time zone; without it, that of the machine
  NO_COLOR  if not empty, print without colours
  CREDENTIALS_DIRECTORY  the folder of the secrets that are systemd
       credentials
  SCRIPTING_SYSTEM_TRUST_FILES  if 1, only warn about files that others
       can write

Files:
  /etc/scripting-system/jobs/*.json  the jobs; names that begin with .
       or _ are skipped. Relative paths start at the file's folder
  /etc/scripting-system/config.json  the only job, if that folder does
       not exist
  log.log  the log, in the configuration's folder unless log.file names
       another file
  ~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts  the host keys of SFTP
       servers; only the first is written
  /var/lib/scripting-system  the locks of runs, and the results of
       drills; ~/.local/state/scripting-system if that folder does not
       belong to the user, otherwise a folder in archive.work_directory";
