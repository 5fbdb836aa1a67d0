use std::fmt::Write as _;
use std::path::Path;

use landfall_error_codes::CodedError as _;

use super::*;

const ONE: &str = "0101010101010101010101010101010101010101010101010101010101010101";

fn target(python: &str) -> Target {
    Target::new(python, "manylinux_2_28_x86_64").expect("target")
}

fn selection(extras: &[&str], groups: Option<&[&str]>) -> Selection {
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    Selection::new(None, &all(extras), groups.map(all).as_deref())
}

/// Packages of a file, one line each, or otherwise its errors.
fn packages_text(form: ProjectForm, text: &str, target: &Target, selection: &Selection) -> String {
    let (locked, faults) = read(form, Path::new("project.lock"), text, target, selection);
    let packages = locked.iter().fold(String::new(), |mut lines, LockedPackage { requirement, files, is_direct }| {
        let files: Vec<_> = files.iter().map(|file| file.file_name.as_str()).collect();
        let direct = if *is_direct { " (direct)" } else { "" };
        let (line, name, version) = (requirement.line, &requirement.name, requirement.version());
        let _ = writeln!(lines, "{line} {name} {version}{direct}: {}", files.join(" "));
        lines
    });
    faults.iter().fold(packages, |mut lines, fault| {
        let cause = std::error::Error::source(fault).map(|cause| format!(": {cause}")).unwrap_or_default();
        let _ = writeln!(lines, "{} {fault}{cause}", fault.code().id);
        lines
    })
}

fn uv(text: &str, extras: &[&str], groups: &[&str]) -> String {
    packages_text(ProjectForm::Uv, text, &target("3.12"), &selection(extras, Some(groups)))
}

/// A package of a registry in uv's format, with one wheel for every platform.
fn package(name: &str, version: &str, more: &str) -> String {
    format!(
        "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \
         {{ registry = \"https://packages.example/simple\" }}\n{more}\
         wheels = [\n    \
         {{ url = \"https://files.example/{name}-{}-py3-none-any.whl\", hash = \"sha256:{ONE}\", size = 7 }},\n]\n\n",
        version.replace('+', "%2B")
    )
}

/// A project with an extra for each of two variants of `torch`, and a group for tests.
fn lock() -> String {
    let variant =
        |name: &str, other: &str| format!("(extra == 'extra-4-shop-{name}' and extra != 'extra-4-shop-{other}')");
    let (cpu, cu128) = (variant("cpu", "cu128"), variant("cu128", "cpu"));
    let head = "version = 1\nrevision = 3\nrequires-python = \">=3.11\"\nresolution-markers = [\"sys_platform == \
        'linux'\"]\n\
        conflicts = [[\n    { package = \"shop\", extra = \"cpu\" },\n    { package = \"shop\", extra = \"cu128\" },\n\
        ]]\n\n\
        [manifest]\nmembers = [\"shop\"]\n\n";
    let project = format!(
        "[[package]]\nname = \"shop\"\nversion = \"0.1.0\"\nsource = {{ editable = \".\" }}\n\
         dependencies = [\n    {{ name = \"coverage\", extra = [\"toml\"] }},\n    \
         {{ name = \"colorama\", marker = \"sys_platform == 'win32'\" }},\n]\n\n\
         [package.optional-dependencies]\nall = [{{ name = \"shop\", extra = [\"cpu\"] }}]\n\
         cpu = \
         [{{ name = \"torch\", version = \"2.9.1+cpu\", source = {{ registry = \"https://packages.example/simple\" }}, \
         marker = \"{cpu}\" }}]\n\
         cu128 = \
         [{{ name = \"torch\", version = \"2.9.1+cu128\", \
         source = {{ registry = \"https://packages.example/simple\" }}, marker = \"{cu128}\" }}]\n\n\
         [package.dev-dependencies]\ndev = [{{ name = \"pytest\" }}]\n\n\
         [package.metadata]\nrequires-dist = [\n    \
         {{ name = \"colorama\", marker = \"sys_platform == 'win32'\" }},\n    \
         {{ name = \"coverage\", extras = [\"toml\"], specifier = \">=7,<8\" }},\n    \
         {{ name = \"shop\", extras = [\"cpu\"], marker = \"extra == 'all'\", editable = \".\" }},\n    \
         {{ name = \"torch\", marker = \"extra == 'cpu'\", specifier = \">=2\" }},\n]\nprovides-extras = [\"all\", \
         \"cpu\", \"cu128\"]\n\n\
         [package.metadata.requires-dev]\ndev = [{{ name = \"pytest\" }}]\nempty = []\n\n"
    );
    let toml = "dependencies = [{ name = \"pluggy\" }]\n";
    let coverage = "[package.optional-dependencies]\ntoml = [\n    \
        { name = \"tomli\", marker = \"python_full_version <= '3.11'\" },\n]\n\n";
    let packages = [
        package("colorama", "0.4.6", ""),
        package("coverage", "7.1", "") + coverage,
        package("pluggy", "1.6", ""),
        package("pytest", "9.0", toml),
        package("tomli", "2.3", ""),
        package("torch", "2.9.1+cpu", ""),
        package("torch", "2.9.1+cu128", ""),
    ];
    format!("{head}{project}{}", packages.concat())
}

#[test]
fn uv_lock_selects_target_packages() {
    let of_python = |python: &str| packages_text(ProjectForm::Uv, &lock(), &target(python), &selection(&[], None));
    let cases = [
        ("nothing chosen", uv(&lock(), &[], &[])),
        ("Python 3.11.0", of_python("3.11.0")),
        ("a variant", uv(&lock(), &["cpu"], &[])),
        ("the other variant, and a group", uv(&lock(), &["CU128"], &["dev", "empty"])),
        ("an extra that names another one", uv(&lock(), &["all"], &[])),
        ("both variants", uv(&lock(), &["cpu", "cu128"], &[])),
        ("an unknown extra", uv(&lock(), &["cu182"], &[])),
        ("an unknown group", uv(&lock(), &[], &["dve"])),
        ("Python 3.10", of_python("3.10")),
    ];
    insta::assert_snapshot!(cases_text(&cases));
}

#[test]
fn patch_dependent_lock_needs_patch_version() {
    let of = |text: &str, python: &str| packages_text(ProjectForm::Uv, text, &target(python), &selection(&[], None));
    let range = lock().replace(">=3.11", ">=3.12.1");
    assert!(
        of(&range, "3.12").starts_with("LF2153 project.lock: it is for Python >=3.12.1, and"),
        "{}",
        of(&range, "3.12")
    );
    assert!(of(&range, "3.12.0").starts_with("LF2129 "));
    assert_eq!(of(&range, "3.12.1"), of(&lock(), "3.12"));
    let marked = lock().replace("<= '3.11'", "<= '3.12.3'");
    assert!(of(&marked, "3.12").contains("LF2153 project.lock:"), "{}", of(&marked, "3.12"));
    assert!(of(&marked, "3.12.3").contains(" tomli ") && !of(&marked, "3.12.4").contains(" tomli "));
}

fn cases_text(cases: &[(&str, String)]) -> String {
    cases.iter().fold(String::new(), |mut text, (title, shown)| {
        let _ = writeln!(text, "## {title}\n{shown}");
        text
    })
}

#[test]
fn unindexed_sources_are_refused() {
    let project = "version = 1\n[[package]]\nname = \"shop\"\nsource = { virtual = \".\" }\ndependencies = [\n";
    let names = ["git", "url", "direct", "path", "folder", "member", "flat", "sdist", "hashless", "versionless", "bad"];
    let edges: Vec<String> = names.iter().map(|name| format!("    {{ name = \"{name}\" }},\n")).collect();
    let edges = edges.concat();
    let of = |name: &str, source: &str, more: &str| {
        format!("[[package]]\nname = \"{name}\"\nversion = \"1\"\nsource = {{ {source} }}\n{more}\n")
    };
    let registry = "registry = \"https://packages.example/simple\"";
    let wheel = |name: &str| format!("https://files.example/{name}-1-py3-none-any.whl");
    let listed = |text: String| format!("wheels = [{{ {text}, size = 1 }}]\n");
    let packages = [
        of("git", "git = \"https://user:secret@git.example/git#abc\"", ""),
        of("url", "url = \"https://files.example/url-1.tar.gz\"", &format!("sdist = {{ hash = \"sha256:{ONE}\" }}")),
        of(
            "direct",
            &format!("url = \"{}\"", wheel("direct")),
            &listed(format!("url = \"{}\", hash = \"sha256:{ONE}\"", wheel("direct"))),
        ),
        of("path", "path = \"wheels/path-1-py3-none-any.whl\"", ""),
        of("folder", "directory = \"../folder\"", ""),
        of("member", "editable = \"packages/member\"", ""),
        of(
            "flat",
            "registry = \"../flat\"",
            &listed(format!("path = \"flat-1-py3-none-any.whl\", hash = \"sha256:{ONE}\"")),
        ),
        of(
            "sdist",
            registry,
            &format!("sdist = {{ url = \"https://files.example/sdist-1.tar.gz\", hash = \"sha256:{ONE}\" }}"),
        ),
        of("hashless", registry, &listed(format!("url = \"{}\", hash = \"md5:00\"", wheel("hashless")))),
        of("versionless", registry, &listed(format!("url = \"{}\", hash = \"sha256:{ONE}\"", wheel("versionless"))))
            .replace("version = \"1\"\n", ""),
        of("bad", registry, &listed(format!("url = \"{}\", hash = \"sha256:zz\"", wheel("bad")))),
    ];
    let said = uv(&format!("{project}{edges}]\n\n{}", packages.concat()), &[], &[]);
    assert!(!said.contains("secret"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn unfollowable_locks_are_refused() {
    let one = |text: &str| uv(text, &[], &[]);
    let project = "version = 1\n[[package]]\nname = \"shop\"\nsource = { editable = \".\" }\n";
    let needs = |edge: &str| {
        one(&format!("{project}dependencies = [{{ {edge} }}]\n\n{}{}", package("a", "1", ""), package("a", "2", "")))
    };
    let member = "[[package]]\nname = \"lib\"\nsource = { editable = \"lib\" }\n";
    let workspace =
        format!("version = 1\n{}{member}", project.replace("version = 1\n", "").replace("\".\"", "\"app\""));
    let of_member = |name: &str| {
        let chosen = Selection::new(Some(name), &[], None);
        packages_text(ProjectForm::Uv, &workspace, &target("3.12"), &chosen)
    };
    let cases = [
        ("no TOML", one("version = 1\n[[package]\n")),
        ("another form", one("version = 2\n")),
        ("no project", one(&format!("version = 1\n\n{}", package("a", "1", "")))),
        ("nothing needed", one(project)),
        ("several projects", one(&workspace)),
        ("an unknown project", of_member("lob")),
        ("one of them", of_member("Lib")),
        ("an absent package", needs("name = \"b\"")),
        ("several versions", needs("name = \"a\"")),
        ("a marker without an end", needs("name = \"a\", version = \"1\", marker = \"os_name == 'x\"")),
        (
            "two versions apply",
            one(&format!(
                "{project}dependencies = [{{ name = \"a\", version = \"1\" }}, {{ name = \"a\", version = \"2\" }}]\n\n\
                 {}{}",
                package("a", "1", ""),
                package("a", "2", "")
            )),
        ),
        ("other environments", one(&format!("supported-markers = [\"sys_platform == 'darwin'\"]\n{project}"))),
    ];
    insta::assert_snapshot!(cases_text(&cases));
}

/// A `pylock.toml` as uv and pip write it.
fn pylock() -> String {
    let wheel = |name: &str| {
        format!(
            "wheels = \
             [{{ name = \"{name}-1-py3-none-any.whl\", upload-time = 2026-01-25T11:30:10.164985Z, \
             url = \"https://files.example/{name}-1-py3-none-any.whl\", \
             size = 7, hashes = {{ sha256 = \"{ONE}\" }} }}]\n"
        )
    };
    let of = |name: &str, more: &str| format!("[[packages]]\nname = \"{name}\"\nversion = \"1\"\n{more}");
    let packages = [
        of("always", &wheel("always")),
        of("windows", &format!("marker = \"sys_platform == 'win32'\"\n{}", wheel("windows"))),
        of("extra", &format!("marker = \"'cu128' in extras\"\n{}", wheel("extra"))),
        of(
            "tested",
            &format!("marker = \"'dev' in dependency_groups and python_version >= '3.9'\"\n{}", wheel("tested")),
        ),
        of("newer", &format!("marker = \"'new' in extras\"\nrequires-python = \">=3.13\"\n{}", wheel("newer"))),
        of(
            "archived",
            &format!(
                "marker = \"'odd' in extras\"\narchive = \
                 {{ url = \"https://files.example/archived-1-py3-none-any.whl\", hashes = {{ sha256 = \"{ONE}\" }} }}\n"
            ),
        ),
        of(
            "odd",
            "marker = \"'odd' in extras\"\nvcs = \
             { type = \"git\", url = \"https://git.example/odd\", commit-id = \"abc\" }\n",
        ),
        of("folder", "marker = \"'odd' in extras\"\ndirectory = { path = \"../folder\" }\n"),
        of(
            "source",
            &format!(
                "marker = \"'odd' in extras\"\nsdist = \
                 {{ name = \"source-1.tar.gz\", url = \"https://files.example/source-1.tar.gz\", \
                 hashes = {{ sha256 = \"{ONE}\" }} }}\n"
            ),
        ),
        of(
            "zip",
            "marker = \"'odd' in extras\"\narchive = \
             { url = \"https://files.example/zip.zip\", hashes = { sha256 = \"00\" } }\n",
        ),
        of(
            "local",
            "marker = \"'odd' in extras\"\nwheels = \
             [{ name = \"local-1-py3-none-any.whl\", path = \"wheels/local-1-py3-none-any.whl\", \
             hashes = { sha256 = \"00\" } }]\n",
        ),
    ];
    format!(
        "lock-version = \"1.0\"\nenvironments = [\"sys_platform == 'win32'\", \"sys_platform == 'linux'\"]\n\
         requires-python = \">=3.11\"\n\
         extras = [\"cu128\", \"new\", \"odd\"]\ndependency-groups = [\"dev\", \"docs\"]\n\
         default-groups = [\"dev\"]\ncreated-by = \"uv\"\n\n{}",
        packages.concat()
    )
}

#[test]
fn pylock_selects_by_marker() {
    let read = |text: &str, extras: &[&str], groups: Option<&[&str]>| {
        packages_text(ProjectForm::Pylock, text, &target("3.12"), &selection(extras, groups))
    };
    let text = pylock();
    let cases = [
        ("the groups of the file", read(&text, &[], None)),
        ("no group", read(&text, &[], Some(&[]))),
        ("an extra and a group", read(&text, &["cu128"], Some(&["docs"]))),
        ("another Python", read(&text, &["new"], None)),
        ("what no index has", read(&text, &["odd"], None)),
        ("an unknown extra", read(&text, &["cu182"], None)),
        ("an unknown group", read(&text, &[], Some(&["doc"]))),
        ("other environments", read(&text.replace("sys_platform == 'linux'\"]", "os_name == 'nt'\"]"), &[], None)),
        ("a newer Python", read(&text.replacen(">=3.11", ">=3.13", 1), &[], None)),
        ("another form", read(&text.replace("\"1.0\"", "\"2.0\""), &[], None)),
        ("twice", read(&(text.clone() + "[[packages]]\nname = \"Always\"\nversion = \"2\"\nwheels = []\n"), &[], None)),
        ("no packages", read("lock-version = \"1.0\"\npackages = []\n", &[], None)),
    ];
    insta::assert_snapshot!(cases_text(&cases));
    let chosen = Selection::new(Some("shop"), &[], None);
    let of_project = packages_text(ProjectForm::Pylock, &text, &target("3.12"), &chosen);
    assert!(of_project.starts_with("LF2136") && of_project.contains("`shop`"), "{of_project}");
}

#[test]
fn lock_form_follows_file_name() {
    for (name, form) in [
        ("requirements.txt", Form::Requirements),
        ("requirements-cu128.in.txt", Form::Requirements),
        ("uv.lock", Form::Project(ProjectForm::Uv)),
        ("web.uv.lock", Form::Project(ProjectForm::Uv)),
        ("pylock.toml", Form::Project(ProjectForm::Pylock)),
        ("pylock.cu128.toml", Form::Project(ProjectForm::Pylock)),
    ] {
        assert_eq!(Form::of(name), Ok(form), "{name}");
    }
    for (name, part) in
        [("pyproject.toml", "beside it"), ("poetry.lock", "`poetry.lock`"), ("my.pylock.toml", "neither")]
    {
        assert!(Form::of(name).is_err_and(|what| what.contains(part)), "{name}");
    }
}

#[test]
fn changed_project_outdates_lock() {
    let outdated_by = |declared: &str| {
        let fault = outdated_error((Path::new("uv.lock"), &lock()), (Path::new("pyproject.toml"), declared));
        fault.map(|fault| format!("{} {fault}", fault.code().id))
    };
    let declared = "[project]\nname = \"Shop\"\ndependencies = [\"Coverage [toml] >= 7, < 8\", \"colorama; \
        sys_platform == 'win32'\"]\n\
        [project.optional-dependencies]\nall = [\"shop[cpu]\"]\ncpu = [\"torch (>=2)\"]\n\
        [tool.uv]\nx = 1\n";
    assert_eq!(outdated_by(declared), None);
    for same in [
        declared.replace("torch (>=2)", "torch @ https://files.example/torch.whl ; os_name == 'posix'"),
        declared
            .replace("name = \"Shop\"", "name = \"Shop\"\ndynamic = [\"dependencies\"]")
            .replace("colorama", "other"),
        "[tool.uv.workspace]\nmembers = []\n".to_owned(),
    ] {
        assert_eq!(outdated_by(&same), None, "{same}");
    }
    let changed = [
        outdated_by(&declared.replace("< 8", "< 9")),
        outdated_by(&declared.replace("colorama", "colorama2")),
        outdated_by(&declared.replace(", \"colorama; sys_platform == 'win32'\"", "")),
        outdated_by(&declared.replace("Shop", "mall")),
        outdated_by("[project"),
    ];
    let said: Vec<_> = changed.into_iter().map(|fault| fault.expect("outdated")).collect();
    insta::assert_snapshot!(said.join("\n"));
}

const REAL: [&str; 3] =
    [include_str!("testdata/uv.lock"), include_str!("testdata/pylock.toml"), include_str!("testdata/pyproject.toml")];

/// Names and versions of the packages for Linux; fails if there are errors.
fn pinned_versions(form: ProjectForm, text: &str, python: &str, selection: &Selection) -> String {
    let (locked, faults) = read(form, Path::new("project.lock"), text, &target(python), selection);
    assert!(faults.is_empty(), "{faults:?}");
    let pin =
        |LockedPackage { requirement, .. }: &LockedPackage| format!("{}=={}", requirement.name, requirement.version());
    let mut pins: Vec<_> = locked.iter().map(pin).collect();
    pins.sort_unstable();
    pins.join(" ")
}

#[test]
fn real_lock_matches_uv_export() {
    let [uv_lock, pylock, pyproject] = REAL;
    let of_312 = "anyio==4.16.0 coverage==7.17.4 idna==3.7 six==1.16.0 typing-extensions==4.16.0";
    let of_310 = "anyio==4.16.0 coverage==7.16.2 exceptiongroup==1.3.2 idna==3.7 iniconfig==2.3.1 markupsafe==2.1.5 \
                  pyyaml==6.0.4 six==1.16.0 tomli==2.5.0 typing-extensions==4.16.0";
    for (python, extras, groups, expected) in [
        ("3.12", &[][..], &[][..], of_312.to_owned()),
        ("3.12", &["old"], &[], of_312.replace("idna==3.7", "idna==3.6")),
        ("3.12", &["new"], &["dev"], of_312.replace("idna==3.7", "idna==3.7 iniconfig==2.3.1")),
        ("3.10", &["both"], &["docs"], of_310.to_owned()),
        (
            "3.15",
            &[],
            &["docs"],
            "anyio==4.16.0 coverage==7.17.4 idna==3.7 iniconfig==2.3.1 markupsafe==2.1.5 six==1.16.0".to_owned(),
        ),
    ] {
        let chosen = selection(extras, Some(groups));
        assert_eq!(
            pinned_versions(ProjectForm::Uv, uv_lock, python, &chosen),
            expected,
            "{python} {extras:?} {groups:?}"
        );
    }
    assert_eq!(pinned_versions(ProjectForm::Pylock, pylock, "3.10", &Selection::default()), of_310);
    let refused = uv(uv_lock, &["old", "both"], &[]);
    assert!(refused.starts_with("LF2137"), "{refused}");
    assert!(outdated_error((Path::new("uv.lock"), uv_lock), (Path::new("pyproject.toml"), pyproject)).is_none());
    let changed = pyproject.replace("six==1.16.0", "six==1.17.0");
    assert!(outdated_error((Path::new("uv.lock"), uv_lock), (Path::new("pyproject.toml"), &changed)).is_some());
}

#[test]
fn real_wheels_can_be_chosen() {
    let target = target("3.12");
    let (locked, _) =
        read(ProjectForm::Uv, Path::new("uv.lock"), REAL[0], &target, &selection(&["both"], Some(&["docs"])));
    let tags = crate::wheels::Tags::of(&target);
    for package in &locked {
        let chosen = crate::wheels::choose(&package.requirement, &package.files, &target, &tags);
        assert!(chosen.is_ok_and(|wheel| wheel.url().is_ok() && wheel.size.is_some()), "{}", package.requirement.name);
    }
}
