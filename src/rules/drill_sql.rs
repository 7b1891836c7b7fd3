//! The queries of a drill, for each kind of database.

use crate::rules::drill_facts::Engine;

#[derive(Debug, Clone, Copy)]
pub struct Sql {
    /// Product and version.
    pub version: &'static str,
    /// Lists the databases that may hold tables of the dump.
    pub databases: &'static str,
    /// Lists one statement per table of a database, which counts its rows.
    pub counts: &'static str,
    /// The size of a database in bytes.
    pub size: &'static str,
    /// Lists the definers that do not exist, with their objects' number: such a view loads, but fails when it is used.
    pub definers: &'static str,
}

pub fn sql(engine: Engine) -> Sql {
    match engine {
        Engine::PostgreSql => Sql {
            version: "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1)",
            databases: "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate",
            // A partitioned table has its rows in its partitions.
            counts: "SELECT format('SELECT count(*) FROM ONLY %I.%I;', nspname, relname) \
                FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
                WHERE relkind IN ('r', 'p') AND nspname NOT IN ('pg_catalog', 'information_schema')",
            size: "SELECT pg_database_size(current_database())",
            definers: "",
        },
        Engine::MariaDb | Engine::MySql => Sql {
            version: "SELECT CONCAT(IF(VERSION() LIKE '%MariaDB%', 'MariaDB ', 'MySQL '), \
                SUBSTRING_INDEX(VERSION(), '-', 1))",
            databases: "SELECT schema_name FROM information_schema.schemata \
                WHERE schema_name NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')",
            counts: "SELECT CONCAT('SELECT COUNT(*) FROM `', REPLACE(table_name, '`', '``'), '`;') \
                FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
            size: "SELECT COALESCE(SUM(data_length + index_length), 0) \
                FROM information_schema.tables WHERE table_schema = DATABASE()",
            definers: "SELECT definer, COUNT(*) \
                FROM (SELECT definer, table_schema AS place FROM information_schema.views \
                UNION ALL SELECT definer, trigger_schema FROM information_schema.triggers \
                UNION ALL SELECT definer, routine_schema FROM information_schema.routines \
                UNION ALL SELECT definer, event_schema FROM information_schema.events) AS objects \
                WHERE place NOT IN ('mysql', 'sys') \
                AND definer NOT IN (SELECT CONCAT(user, '@', host) FROM mysql.user) GROUP BY definer",
        },
        Engine::Sqlite => Sql {
            version: "SELECT 'SQLite ' || sqlite_version()",
            databases: "SELECT ''",
            counts: "SELECT 'SELECT count(*) FROM \"' || replace(name, '\"', '\"\"') || '\";' \
                FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*'",
            size: "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            definers: "",
        },
    }
}
