create table customer (id int primary key, name text not null);
create table purchase (id int primary key, customer int references customer, item text, price_minor int);
insert into customer values (1, 'Hana'), (2, '健'), (3, 'O''Brien');
insert into purchase values (1, 1, '経験 (paperback)', 1980), (2, 2, E'two\nlines', 500), (3, 3, null, 0);
