use crate::walls::facts::{OpenDatabase, ServerFacts};
use crate::{ContextNames, DatabaseError, Target};

/// What makes provisioning impossible, found before anything is changed. Pure.
pub(crate) fn refuse(
    facts: &ServerFacts,
    names: &ContextNames,
    target: &Target,
) -> Result<(), DatabaseError> {
    if facts.version < 150_000 {
        let (target, version) = (target.boxed(), facts.version_text.clone());
        return Err(DatabaseError::ServerTooOld { target, version });
    }
    if let Some((member, group)) = facts.memberships.first() {
        return Err(DatabaseError::ForeignMembership { member: member.clone(), group: group.clone() });
    }
    if facts.admin.superuser {
        return Ok(());
    }
    match lacking(facts, names) {
        Some(detail) => Err(DatabaseError::NotPermitted {
            doing: format!("provision context `{}`", names.context),
            target: target.boxed(),
            detail,
        }),
        None => Ok(()),
    }
}

/// What an admin who is not a superuser lacks, with the statement that a superuser can run.
fn lacking(facts: &ServerFacts, names: &ContextNames) -> Option<String> {
    let admin = &facts.admin;
    if !admin.create_role {
        return Some(format!(
            "`{0}` may not create roles. As a superuser: ALTER ROLE \"{0}\" CREATEROLE",
            admin.name
        ));
    }
    if facts.database.is_none() && !admin.create_database {
        return Some(format!(
            "`{0}` may not create databases. As a superuser: ALTER ROLE \"{0}\" CREATEDB",
            admin.name
        ));
    }
    if let Some(role) = facts.roles.iter().find(|role| !role.excess.is_empty()) {
        return Some(format!(
            "role `{}` has rights that only a superuser should take away. As a superuser: ALTER ROLE \"{}\" {}",
            role.name,
            role.name,
            role.excess.join(" ")
        ));
    }
    standing_open(&facts.open_databases, &admin.name, &names.database)
}

fn standing_open(open: &[OpenDatabase], admin: &str, own: &str) -> Option<String> {
    let cannot_close: Vec<&str> = open.iter().filter(|d| !d.closable).map(|d| d.name.as_str()).collect();
    if cannot_close.is_empty() {
        return None;
    }
    let cure = |name: &&str| {
        format!(
            "REVOKE CONNECT, TEMPORARY ON DATABASE \"{name}\" FROM PUBLIC; GRANT CONNECT ON DATABASE \"{name}\" TO \"{admin}\";"
        )
    };
    let cures: Vec<String> = cannot_close.iter().map(cure).collect();
    Some(format!(
        "PUBLIC may connect to {}, so the roles of `{own}` could too, and `{admin}` does not own them. As a superuser: {}",
        cannot_close.join(", "),
        cures.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::refuse;
    use crate::walls::facts::{AdminFacts, OpenDatabase, RoleFacts, ServerFacts};
    use crate::{ContextNames, ErrorKind, Target};
    use sea_mq_event::ContextName;

    fn admin(superuser: bool, create_role: bool, create_database: bool) -> AdminFacts {
        AdminFacts { name: "adm".to_owned(), superuser, create_role, create_database }
    }

    fn open(closable: bool) -> Vec<OpenDatabase> {
        vec![OpenDatabase { name: "postgres".to_owned(), closable }]
    }

    #[test]
    fn refusals() {
        let base =
            ServerFacts { version: 150_000, admin: admin(false, true, true), ..ServerFacts::default() };
        let excess = vec![RoleFacts { name: "sea_app".to_owned(), excess: vec!["NOCREATEDB".to_owned()] }];
        let super_facts = ServerFacts { admin: admin(true, false, false), ..base.clone() };
        for (name, facts, expected) in [
            ("plain", base.clone(), None),
            ("old", ServerFacts { version: 140_011, ..super_facts.clone() }, Some(ErrorKind::Failed)),
            (
                "member",
                ServerFacts {
                    memberships: vec![("sea_app".to_owned(), "x".to_owned())],
                    ..super_facts.clone()
                },
                Some(ErrorKind::Failed),
            ),
            (
                "superuser",
                ServerFacts { open_databases: open(true), roles: excess.clone(), ..super_facts },
                None,
            ),
            (
                "no createrole",
                ServerFacts { admin: admin(false, false, true), ..base.clone() },
                Some(ErrorKind::NotPermitted),
            ),
            (
                "no createdb",
                ServerFacts { admin: admin(false, true, false), ..base.clone() },
                Some(ErrorKind::NotPermitted),
            ),
            ("excess", ServerFacts { roles: excess, ..base.clone() }, Some(ErrorKind::NotPermitted)),
            ("closable", ServerFacts { open_databases: open(true), ..base.clone() }, None),
            (
                "stands open",
                ServerFacts { open_databases: open(false), ..base },
                Some(ErrorKind::NotPermitted),
            ),
        ] {
            let names = ContextNames::of(&ContextName::parse("sea").unwrap());
            let target = Target {
                host: "h".to_owned(),
                port: 1,
                user: "adm".to_owned(),
                database: "postgres".to_owned(),
            };
            let kind = refuse(&facts, &names, &target).err().map(|e| e.kind());
            assert_eq!(kind, expected, "{name}");
        }
    }
}
