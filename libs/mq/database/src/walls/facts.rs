use sqlx::PgConnection;

use crate::ContextNames;

/// What the server holds that provisioning depends on.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServerFacts {
    /// `server_version_num`, for example 150018.
    pub(crate) version: i32,
    pub(crate) version_text: String,
    pub(crate) admin: AdminFacts,
    pub(crate) database: Option<ContextDatabase>,
    pub(crate) roles: Vec<RoleFacts>,
    /// Databases that PUBLIC may connect to or create temporary tables in.
    pub(crate) open_databases: Vec<OpenDatabase>,
    /// Roles of other contexts that hold a privilege on this context's database.
    pub(crate) intruders: Vec<String>,
    /// (role of this context, role that it is a member of) beyond what provisioning grants.
    pub(crate) memberships: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct AdminFacts {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    pub(crate) create_role: bool,
    pub(crate) create_database: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct ContextDatabase {
    pub(crate) allows_connections: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct RoleFacts {
    pub(crate) name: String,
    /// Attributes that reach beyond the context, as `ALTER ROLE` takes them away.
    pub(crate) excess: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct OpenDatabase {
    pub(crate) name: String,
    /// The admin owns it, or may do everything.
    pub(crate) closable: bool,
}

/// What the context's database holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct DatabaseFacts {
    pub(crate) schema_owner: String,
}

pub(crate) async fn read_server(
    connection: &mut PgConnection,
    names: &ContextNames,
) -> Result<ServerFacts, sqlx::Error> {
    let (version, version_text): (i32, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::integer, current_setting('server_version')",
    )
    .fetch_one(&mut *connection)
    .await?;
    Ok(ServerFacts {
        version,
        version_text,
        admin: read_admin(connection).await?,
        database: read_context_database(connection, &names.database).await?,
        roles: read_roles(connection, names).await?,
        open_databases: read_open_databases(connection).await?,
        intruders: read_intruders(connection, names).await?,
        memberships: read_memberships(connection, names).await?,
    })
}

pub(crate) async fn read_database(connection: &mut PgConnection) -> Result<DatabaseFacts, sqlx::Error> {
    let schema_owner = sqlx::query_scalar(
        "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = 'public'",
    )
    .fetch_one(connection)
    .await?;
    Ok(DatabaseFacts { schema_owner })
}

async fn read_admin(connection: &mut PgConnection) -> Result<AdminFacts, sqlx::Error> {
    let (name, superuser, create_role, create_database) = sqlx::query_as(
        "SELECT rolname::text, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user",
    )
    .fetch_one(connection)
    .await?;
    Ok(AdminFacts { name, superuser, create_role, create_database })
}

async fn read_context_database(
    connection: &mut PgConnection,
    database: &str,
) -> Result<Option<ContextDatabase>, sqlx::Error> {
    let found = sqlx::query_scalar("SELECT datallowconn FROM pg_database WHERE datname = $1")
        .bind(database)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|allows_connections| ContextDatabase { allows_connections }))
}

async fn read_roles(
    connection: &mut PgConnection,
    names: &ContextNames,
) -> Result<Vec<RoleFacts>, sqlx::Error> {
    let rows: Vec<(String, Vec<String>)> = sqlx::query_as(
        "SELECT rolname::text, array_remove(ARRAY[ \
             CASE WHEN rolsuper THEN 'NOSUPERUSER' END, \
             CASE WHEN rolcreatedb THEN 'NOCREATEDB' END, \
             CASE WHEN rolcreaterole THEN 'NOCREATEROLE' END, \
             CASE WHEN rolreplication THEN 'NOREPLICATION' END, \
             CASE WHEN rolbypassrls THEN 'NOBYPASSRLS' END, \
             CASE WHEN rolcanlogin AND rolname = $2 THEN 'NOLOGIN' END], NULL) \
         FROM pg_roles WHERE rolname = ANY($1)",
    )
    .bind(names.roles())
    .bind(&names.owner)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(name, excess)| RoleFacts { name, excess }).collect())
}

/// A database without an access list has the built-in one, which opens it to PUBLIC.
async fn read_open_databases(connection: &mut PgConnection) -> Result<Vec<OpenDatabase>, sqlx::Error> {
    let rows: Vec<(String, bool)> = sqlx::query_as(
        "SELECT d.datname::text, pg_has_role(d.datdba, 'USAGE') \
         FROM pg_database d \
         WHERE d.datallowconn AND EXISTS ( \
             SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a \
             WHERE a.grantee = 0 AND a.privilege_type IN ('CONNECT', 'TEMPORARY')) \
         ORDER BY d.datname",
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(name, closable)| OpenDatabase { name, closable }).collect())
}

/// Roles named like a context's, whose database exists, with a privilege on this one.
async fn read_intruders(
    connection: &mut PgConnection,
    names: &ContextNames,
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT DISTINCT r.rolname::text \
         FROM pg_database d, aclexplode(d.datacl) a \
         JOIN pg_roles r ON r.oid = a.grantee \
         WHERE d.datname = $1 AND r.rolname <> ALL($2) AND EXISTS ( \
             SELECT FROM pg_database o \
             WHERE o.datname = regexp_replace(r.rolname, '_(owner|migrator|app|worker)$', '') || '_db' \
               AND o.datname <> $1)",
    )
    .bind(&names.database)
    .bind(names.roles())
    .fetch_all(connection)
    .await
}

async fn read_memberships(
    connection: &mut PgConnection,
    names: &ContextNames,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "SELECT m.rolname::text, g.rolname::text \
         FROM pg_auth_members a \
         JOIN pg_roles m ON m.oid = a.member \
         JOIN pg_roles g ON g.oid = a.roleid \
         WHERE m.rolname = ANY($1) AND NOT (m.rolname = $2 AND g.rolname = $3) \
         ORDER BY 1, 2",
    )
    .bind(names.roles())
    .bind(&names.migrator)
    .bind(&names.owner)
    .fetch_all(connection)
    .await
}
