-- The roles and the database, made once by an administrator: docs/deployment.md. Passwords come from the environment.
\set ON_ERROR_STOP on
\getenv owner DB_PASSWORD
\getenv fetcher DB_FETCHER_PASSWORD
\getenv normalizer DB_NORMALIZER_PASSWORD
\getenv gateway DB_GATEWAY_PASSWORD
CREATE ROLE feedmill LOGIN PASSWORD :'owner';
CREATE ROLE feedmill_fetcher LOGIN PASSWORD :'fetcher';
CREATE ROLE feedmill_normalizer LOGIN PASSWORD :'normalizer';
CREATE ROLE feedmill_gateway LOGIN PASSWORD :'gateway';
CREATE DATABASE feedmill OWNER feedmill TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
