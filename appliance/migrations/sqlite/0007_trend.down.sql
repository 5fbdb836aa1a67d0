DROP TABLE trend;
