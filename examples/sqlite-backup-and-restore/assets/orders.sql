create table customer (id integer primary key, name text not null);
create table purchase (id integer primary key, customer references customer, item text, price_minor integer);
insert into customer values (1, 'Hana'), (2, '健'), (3, 'O''Brien');
insert into purchase values (1, 1, '経験', 1980), (2, 2, 'two
lines', 500), (3, 3, null, 0);
